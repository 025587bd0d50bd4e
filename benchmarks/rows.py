"""The measured figures of `results/*.json` as rows of tables; none where nothing is recorded."""

from __future__ import annotations

import json
import statistics
from typing import Any

from record import RESULTS

THROUGHPUT = {
    "resnet18_64px_batch128": "ResNet-18 at 64 px, batches of 128",
    "resnet50_128px_batch16": "ResNet-50 at 128 px, batches of 16",
}
SPEAKERS = 6
TRANSFER_WAYS = ("head", "last-stage", "frozen-norms", "everything", "scratch")
PIPELINE = {"first_epoch": "first epoch (decoded and kept)", "cached": "later epochs"}


def result(claim: str) -> dict[str, Any] | None:
    path = RESULTS / f"{claim}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def training_rows() -> list[tuple[str, ...]]:
    names = {
        "mnist": "MNIST",
        "fashion-mnist": "Fashion-MNIST (10k training subset)",
        "clothing": "Clothing (1,100 photographs)",
        "wrn": "CIFAR-10 (JPEG copy), WRN-16-4",
        "bccd": "BCCD",
        "camvid": "CamVid",
    }
    rows = []
    for name, title in names.items():
        one = result(f"train-{name}")
        if one is None:
            continue
        low, high = one["interval"]
        aim = "as far as it goes" if one["at_least"] is None else f"{one['at_least']:.3g}"
        rows.append(
            (
                title,
                one["score"].replace("_", " "),
                f"{one['value']:.3f} ({low:.3f} to {high:.3f})",
                aim,
                f"{one['training_seconds'] / 60:.1f} min",
                f"{one['wall_clock_seconds'] / 60:.1f} min",
                f"`{one['command']}`",
            )
        )
    return rows


def cifar10_rows() -> list[tuple[str, ...]]:
    one = result("cifar10")
    if one is None:
        return []
    peer = one["torchvision_resnet18"]
    each = ", ".join(f"{run['accuracy']:.3f}" for run in one["runs"])
    minutes = max(run["training_minutes"] for run in one["runs"])
    return [
        (
            f"`{one['command']}`",
            f"{one['mean_accuracy']:.3f} ± {one['deviation']:.3f} ({each})",
            f"at most {minutes:.1f} min",
        ),
        (
            "torchvision's ResNet-18 at 32 px, its reference recipe, float32",
            f"{peer['accuracy']:.3f}",
            f"{peer['training_minutes']} min",
        ),
    ]


def family_rows() -> list[tuple[str, ...]]:
    rows = []
    for path in sorted((RESULTS / "families").glob("*.json")):
        one = json.loads(path.read_text(encoding="utf-8"))
        low, high = one["interval"]
        options = one["command"].split(f"--model {one['model']}")[1].removesuffix(" --budget 8m")
        rows.append(
            (
                f"`{one['model']}`",
                f"`{options.strip()}`" if options.strip() else "",
                f"{one['params'] / 1e6:.2f} M",
                f"{one['value']:.3f} ({low:.3f} to {high:.3f})",
                f"{one['training_seconds'] / 60:.1f} min",
            )
        )
    return sorted(rows, key=lambda row: row[3], reverse=True)


def transfer_rows() -> list[tuple[str, ...]]:
    found: dict[tuple[str, str], dict[str, str]] = {}
    for path in (RESULTS / "transfer").glob("*.json"):
        one = json.loads(path.read_text(encoding="utf-8"))
        key = path.stem.split("-")[0], str(one["pictures_of_a_class"])
        found.setdefault(key, {})[one["way"]] = f"{one['mean']:.3f} ± {one['deviation']:.3f}"
    order = sorted(found, key=lambda key: (key[0], key[1] == "all", key[1].zfill(9)))
    return [(*key, *(found[key].get(way, "") for way in TRANSFER_WAYS)) for key in order]


def backbone_rows() -> list[tuple[str, ...]]:
    rows = []
    for path in sorted((RESULTS / "backbones").glob("*.json")):
        case = json.loads(path.read_text(encoding="utf-8"))
        peak = case["peak_megabytes"]
        ratios = [
            f"{case[kind][ratio]:.2f}"
            for ratio in ("same_mode_ratio", "default_ratio")
            for kind in ("forward", "train")
        ]
        rows.append(
            (
                f"`{path.stem}`, {case['batch']} of {case['side']} px",
                case["library"],
                *ratios,
                f"{peak['theirs']} / {peak['ours']} / {peak['default']} MB",
            )
        )
    return rows


def character_rows() -> list[tuple[str, ...]]:
    one = result("characters")
    if one is None:
        return []
    return [
        (
            name,
            f"`{row['options']}`",
            f"{row['mean']:.3f} ± {row['deviation']:.3f}",
            ", ".join(f"{value:.3f}" for value in row["accuracies"]),
        )
        for name, row in one["augmentations"].items()
    ]


def textbook_rows() -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    convolution, network = result("textbook-convolution"), result("textbook-network")
    if convolution is not None:
        loops, least = convolution["times_as_fast_as_seven_loops"], convolution["times_at_least"]
        forward = convolution["torch_is_times_as_fast_forward"]
        both = convolution["torch_is_times_as_fast_with_backward"]
        rows += [
            ("convolution beside seven loops", f"{loops:,} times as fast", f"{least:,} times"),
            ("PyTorch beside it, forward", f"{forward} times as fast", ""),
            ("PyTorch beside it, forward and backward", f"{both} times as fast", ""),
        ]
    if network is not None:
        low, high = network["interval"]
        rows.append(
            (
                f"SimpleConvNet on MNIST, {network['training_minutes']:.1f} min",
                f"{network['accuracy']:.4f} ({low:.4f} to {high:.4f})",
                f"{network['accuracy_at_least']} in {network['minutes_at_most']:.0f} min",
            )
        )
    return rows


def signal_rows() -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for kind in ("waveform", "log-mel"):
        given = result(f"signals/spoken-{kind}")
        if given is not None:
            low, high = given["interval"]
            value = f"{given['accuracy']:.3f} ({low:.3f} to {high:.3f})"
            rows.append((f"spoken digits, {kind}", value, "given split", ""))
        paths = (RESULTS / "signals").glob(f"spoken-{kind}-without-*.json")
        left_out = {path.stem: result(f"signals/{path.stem}")["accuracy"] for path in paths}
        if len(left_out) == SPEAKERS:
            least, most = (choose(left_out, key=left_out.__getitem__) for choose in (min, max))
            value = (
                f"{statistics.mean(left_out.values()):.3f} ± "
                f"{statistics.stdev(left_out.values()):.3f}"
            )
            of = "each of six speakers left out; " + " to ".join(
                f"{one.rpartition('-')[2]} {left_out[one]:.3f}" for one in (least, most)
            )
            rows.append((f"spoken digits, {kind}", value, of, ""))
    for name in ("BasicMotions", "JapaneseVowels", "arem"):
        one = result(f"signals/{name}")
        if one is not None:
            value = f"{one['mean']:.3f} ± {one['deviation']:.3f}"
            rows.append((name.replace("arem", "AReM"), value, "five seeds", one["published"] or ""))
    return rows


def scaling_rows() -> list[tuple[str, ...]]:
    one = result("scaling")
    if one is None:
        return []
    return [
        (
            *(f"×{trial['options'][f'{name}_factor']:.2f}" for name in ("depth", "width")),
            f"{trial['size_hw'][0]} px",
            f"{trial['macs'] / 1e6:.0f} M",
            f"{trial['params'] / 1e6:.2f} M",
            f"{trial['prediction_seconds'] * 1000:.1f} ms",
            "{value:.3f} ({low:.3f} to {high:.3f})".format(**trial["validation"]),
        )
        for trial in one["trials"]
    ]


def speed_rows() -> list[tuple[str, ...]]:
    rows = []
    throughput = result("throughput") or {}
    for case, title in THROUGHPUT.items():
        for suffix, where in (("", ""), ("_avx2", ", AVX2 alone")):
            one = throughput.get(case + suffix)
            if one is not None:
                rows.append(
                    (
                        f"training, {title}{where}",
                        f"{one['manako_pictures_per_second']:.0f} pictures/s",
                        f"{one['plain_pictures_per_second']:.0f} pictures/s",
                        f"{one['ratio']:.2f} (aim {one['at_least']:.1f})",
                        "`make bench-throughput`",
                    )
                )
    pipeline = result("input-pipeline") or {}
    for key, title in PIPELINE.items():
        if f"{key}_ratio" in pipeline:
            rows.append(
                (
                    f"500×375 JPEGs to batches, one worker, {title}",
                    f"{pipeline[f'{key}_pictures_per_second']} pictures/s",
                    f"{pipeline['torchvision_pictures_per_second']} pictures/s",
                    f"{pipeline[f'{key}_ratio']:.2f} (aim {pipeline[f'{key}_at_least']:.1f})",
                    "`make bench-input`",
                )
            )
    return rows


def trust_rows() -> list[tuple[str, ...]]:
    rows = []
    kill = result("trust-kill")
    if kill is not None:
        rows.append(
            (
                "runs killed with `kill -9` and resumed end bit-identical",
                f"{kill['identical']} of {kill['runs']} runs, {kill['kills']} kills, "
                f"{kill['kills_while_saving']} of them during a save",
                "`make trust-kill`",
            )
        )
    points = result("trust-crashpoints")
    if points is not None:
        rows.append(
            (
                "one system call of a save fails, or is the last: the newest checkpoint loads",
                f"{points['newest_loads']} of {points['faults']} faults at "
                f"{points['checkpoint']['system_calls']} + "
                f"{points['best network']['system_calls']} calls",
                "`make trust-crashpoints`",
            )
        )
    images = result("trust-images")
    if images is not None:
        rows.append(
            (
                "Pillow's own test pictures, decoded or refused by name within 5 s and 1 GB",
                f"{images['decoded']} decoded, {images['refused']} refused, "
                f"{images['crashed']} crashed",
                "`make trust-images`",
            )
        )
    offline = result("trust-offline")
    if offline is not None:
        rows.append(
            (
                "verbs that work with sockets refused",
                f"{sum(code == 0 for code in offline['exit_codes'].values())} of "
                f"{len(offline['exit_codes'])}; sockets asked for: {offline['sockets_asked_for']}",
                "`make trust-offline`",
            )
        )
    agreement = result("trust-agreement")
    if agreement is not None:
        tasks = [agreement[task] for task in ("classification", "detection", "segmentation")]
        rows += [
            (
                "`val` and `predict` give the same bits",
                f"{sum(one['val_equals_predict'] for one in tasks)} of "
                f"{sum(one['pictures'] for one in tasks)} pictures, three tasks",
                "`make trust-agreement`",
            ),
            (
                "single pictures against batches",
                f"largest difference {max(one['single_against_batch'] for one in tasks):.1e}",
                "`make trust-agreement`",
            ),
            (
                "a changed byte in a recognizer is refused",
                f"{sum(one['changed_bytes_refused'] for one in tasks)} of "
                f"{sum(one['changed_bytes'] for one in tasks)}",
                "`make trust-agreement`",
            ),
        ]
    startup = result("startup")
    if startup is not None:
        rows.append(
            (
                "`manako --help`",
                f"{startup['help_seconds']:.2f} s (bare Python: "
                f"{startup['bare_python_seconds']:.2f} s)",
                "`make bench-startup`",
            )
        )
    costs = result("arithmetic")
    if costs is not None:
        name, slowest = next(iter(costs["slowest_seconds"].items()))
        rows.append(
            (
                "cost of a network layer by layer, without computing it",
                f"{costs['median_seconds']:.2f} s; the slowest of {costs['names']} names, "
                f"`{name}`: {slowest:.2f} s (aim {costs['at_most_seconds']:g})",
                "`make bench-arithmetic`",
            )
        )
    return rows

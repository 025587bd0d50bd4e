"""What three or more model files share."""

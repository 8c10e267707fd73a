"""What comes in at the edge: fields that are ignored, deliveries that are refused, characters that do not show."""

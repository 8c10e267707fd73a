"""What the pages show, made ready for the templates: texts, marks and links from rows and reports."""

"""What a prepared corpus holds: figures for the audit page, the datasheet, the public summary of training content."""

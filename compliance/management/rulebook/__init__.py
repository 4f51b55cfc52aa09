"""What the command `rulebook` reads and prints, a file per question."""

"""What an operator does with a process while it runs."""

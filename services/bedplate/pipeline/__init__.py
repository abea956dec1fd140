"""Runs a call through the stages that its policy asks for, whatever door it came through."""

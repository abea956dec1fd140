"""Bytes that nobody would send: whatever comes in, the answer is a refusal or an answer, and soon."""

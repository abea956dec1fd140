"""How much a process may take on at once, and what it refuses when that is too little.

State of the stages shed and concurrency; it outlives their chains.
"""

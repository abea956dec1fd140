"""Tables of the platform itself, in the database of the services, and what is kept in them."""

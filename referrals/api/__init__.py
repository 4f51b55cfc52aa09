"""The liaison API: what an agency's program may ask of us. It translates, and calls one room."""

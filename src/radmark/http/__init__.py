"""What both servers ask of a request before they answer it, and the one shape in which they say no.

Comes with the extra `web`.
"""

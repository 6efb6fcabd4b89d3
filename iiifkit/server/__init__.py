"""The server: the only room that is asynchronous."""

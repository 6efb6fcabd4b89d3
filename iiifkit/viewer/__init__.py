"""The pages for people: their HTML, their scripts and styles, and the manifests. Serving them is the server's part."""

"""The layer between web server and application: limits of connections, headers and bodies.

granian parses HTTP and hands over requests with complete headers (RSGI, in an event loop). Here
bodies are received within limits, and only complete requests get a thread. docs/decisions/0020.
"""

"""Between the web server and the application: what a connection, a head and a body may take.

granian speaks HTTP and hands over requests whose heads are complete (RSGI, in an event loop). Here
bodies are received under limits, and only whole requests reach a thread. docs/decisions/0020.
"""

"""The web console: pages for people who look rather than read.

It speaks to the API alone, in this process and in the session of whoever looks: a page shows what the API answers them,
and a form is one call of the API, sent by the browser itself. So it decides nothing, and may do nothing that a key
could not.
"""

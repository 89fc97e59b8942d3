"""The verbs: a file and a public function each, of the same words as the command line; they return objects and print nothing.

`import cladescope` offers them as `cladescope.embed`, `cladescope.search`, ... without loading any before it is called.
"""

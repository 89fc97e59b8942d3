"""The verbs: one file and one public function per command, with the same options; they return objects and print nothing.

`import cladescope` offers them as `cladescope.embed`, `cladescope.search`, ...; each is loaded when it is first used.
"""

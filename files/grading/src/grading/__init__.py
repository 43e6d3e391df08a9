"""The exercises' grader: what a check.py imports, and what the commands of the exercises are made of.

It is a package beside the API's, outside of plugins/, because it runs without Ansible, whose start alone would cost half of the time that a
check may take; files/ is in the collection's archive, so that it is the same in a checkout and installed. It needs psycopg, pydantic and
PyYAML, which both environments have: the checkout's .venv and the labs' runtime.
"""

from grading.checks import Failed, check
from grading.lab import Lab

__all__ = ["Failed", "Lab", "check"]

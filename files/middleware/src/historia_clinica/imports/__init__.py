"""Another hospital's file: patients and consultations in CSV, under whatever names its columns have.

`files` reads the text, `mapping` says which column is which field, `rows` makes `records` of its rows by the rules of
the API, `batches` writes a thousand rows in one transaction, and `__main__` does it for a file, in several processes.
"""

"""The platform's protocol: documents, signatures, variables, emission requests. Pure: no I/O, configuration or clock.

Section names in the docstrings are those of the platform's manual (API Interactiva, API Informativa, API de Emisión).
"""

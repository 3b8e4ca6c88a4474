"""The console: the admin's web pages below `/console/`. CONTRIBUTING.md says how a page is written.

pages/      the sections, a module or a folder each, found by themselves
sections    how a section declares its pages, actions and downloads, and who may use them
context     what a page has at hand: who asks, in which language, the database, and what templates call
signing     cookies and forms that nobody else can make; sessions, roles, sign-in
site        puts it all into one application, with its headers and its errors
"""

"""Tests of pages whose code is no test itself: test_docs_code.py copies each into the project of its page."""

# SPDX-License-Identifier: GPL-2.0-only
"""What is run: a .toml file for each scenario, or for several cases with the same outcome.

scenario.py reads them, and explains every key. Add files freely.
"""

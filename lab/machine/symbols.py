# SPDX-License-Identifier: GPL-2.0-only
"""The addresses in a kernel, from its System.map. It has no KASLR."""

from bisect import bisect_right


class SymbolError(Exception):
    """A kernel has no symbol of a name, or more than one."""


class Symbols:
    def __init__(self, path):
        self._addresses = {}
        with open(path) as f:
            for line in f:
                address, _, name = line.split()
                self._addresses.setdefault(name, []).append(int(address, 16))
        self._names = {a: name for name, found in self._addresses.items() for a in found}
        self._all = sorted(self._names)

    def _found(self, name):
        if name not in self._addresses:
            raise SymbolError(f"there is no {name} in the kernel")
        return self._addresses[name]

    def lacks(self, names):
        """Those of these names that no symbol has: the compiler may have inlined a static
        function, or made a copy with another name."""
        return sorted(set(names) - self._addresses.keys())

    def address(self, name):
        """The address of a symbol that exists exactly once."""
        found = self._found(name)
        if len(found) > 1:
            raise SymbolError(f"there is more than one {name} in the kernel")
        return found[0]

    def name(self, address):
        """What is at an address: name+offset."""
        if not self.address("_text") <= address < self.address("_end"):
            return "not in the kernel"
        start = self._all[bisect_right(self._all, address) - 1]
        return f"{self._names[start]}+{address - start:#x}"

    def starting_with(self, *prefixes):
        """Addresses of all symbols whose name begins with one of these."""
        return sorted(address for name, addresses in self._addresses.items()
                      if name.startswith(prefixes) for address in addresses)

    def functions(self, name):
        """(start, end) of each function of a name: a KUnit suite has a copy of what it tests."""
        return [(start, self._all[bisect_right(self._all, start)])
                for start in self._found(name)]

# SPDX-License-Identifier: GPL-2.0
"""Tests of the comparison of log lines and reasons with the administrator's guide."""

import os
import re

import messages
from overlay import REPO, Repo

SOURCE = """#define pr_fmt(fmt) "here: " fmt
#include "some header.h"
/* "a comment" */
void f(struct device *dev)
{
	pr_err("%04x:%02x.%d: no way: %s\\n", a, b, c,
	       reason);
	dev_err_ratelimited(dev, "irq %u of "
			    "%pe\\n", irq, err);
	if (x)
		return "a reason";
	refuse_it(dev, (int)STEP, "single");
	reason = y ? "one way" : "or another";
	seq_printf(m, "not a reason %u", 1);
	set_name("name");
}
"""
PATCH = """--- a/f.c
+++ b/f.c
@@ -1,3 +1,5 @@
-	pr_warn("moved line\\n");
+		pr_warn("moved line\\n");
+	stop_it(dev, "a new reason");
+	return "Name of a thing";
 	pr_warn("line of another\\n");
"""


class TestMessages:
    def test_lines_and_reasons(self):
        assert messages.messages("f.c", SOURCE) == (
            {"here: ...: no way: ...", "irq ... of ..."},
            {"a reason", "single", "one way", "or another"})

    def test_patch(self):
        assert messages.messages("f.c.patch", PATCH) == (set(), {"a new reason"})

    def test_page(self):
        page = "``one``\n\tmeaning of ``it``\n- ``two``\n``two``\n"
        assert messages.faults({"one", "two"}, page) == [f"{messages.PAGE}: twice: two"]
        assert messages.faults({"one"}, "``other``\n") == [
            f"{messages.PAGE}: no entry: one", f"{messages.PAGE}: nothing writes: other"]


class TestRepository:
    def test_every_message_is_explained(self):
        with open(os.path.join(REPO, messages.PAGE), encoding="utf-8") as f:
            assert not messages.faults(messages.all_messages(Repo(REPO).entries()), f.read())

    def test_every_remedy_is_for_a_reason(self):
        found = messages.all_messages(Repo(REPO).entries())
        with open(os.path.join(REPO, "tools/irq_liveupdate/remedy.c"), encoding="utf-8") as f:
            reasons = re.findall(r'^\t\{ "([^"]*)"', f.read(), re.M)
        assert reasons
        assert [reason for reason in reasons
                if not any(text.startswith(reason) for text in found)] == []

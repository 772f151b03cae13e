/* SPDX-License-Identifier: GPL-2.0 */

#ifndef _SER_KUNIT_STATIC_STUB_H
#define _SER_KUNIT_STATIC_STUB_H

#define KUNIT_STATIC_STUB_REDIRECT(fn, ...)

#endif /* _SER_KUNIT_STATIC_STUB_H */

/* SPDX-License-Identifier: GPL-2.0 */

#ifndef _SER_LINUX_MINMAX_H
#define _SER_LINUX_MINMAX_H

#include <linux/kernel.h>

#endif /* _SER_LINUX_MINMAX_H */

/* SPDX-License-Identifier: GPL-2.0 */

#ifndef _LINUX_CRC32_H
#define _LINUX_CRC32_H

#include <linux/types.h>

/* By a table, because the fuzzer spends most of its time here. */
static inline const u32 *crc32_table(void)
{
	static u32 table[256];

	for (u32 byte = 0; !table[255] && byte < 256; byte++) {
		u32 crc = byte;

		for (int bit = 0; bit < 8; bit++)
			crc = (crc >> 1) ^ (crc & 1 ? 0xedb88320 : 0);
		table[byte] = crc;
	}
	return table;
}

static inline u32 crc32_le(u32 crc, const void *p, size_t len)
{
	const u32 *table = crc32_table();
	const u8 *byte = p;

	while (len--)
		crc = (crc >> 8) ^ table[(u8)(crc ^ *byte++)];
	return crc;
}

#endif /* _LINUX_CRC32_H */

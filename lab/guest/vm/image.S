/* SPDX-License-Identifier: GPL-2.0 */
/* The bare guest, as the VMM loads it */
	.section .rodata
	.globl bare_image, bare_image_end
bare_image:
	.incbin "bare.bin"
bare_image_end:

	.section .note.GNU-stack, "", @progbits

// SPDX-License-Identifier: GPL-2.0

/*
 * Tests of the serializer and validator of the interrupt state.
 *
 * Each test starts from one valid image: a root with two units, a table with
 * two devices and the blob of one device. Everything that is checked is at the
 * end of a page without a neighbour, so that reading beyond it faults.
 */

#include <kunit/test.h>
#include <linux/crc32.h>
#include <linux/limits.h>
#include <linux/mm.h>
#include <linux/prandom.h>
#include <linux/string.h>
#include <linux/vmalloc.h>

#include "liveupdate_ser.h"
#include "kunit_ser_frozen.h"
#include "kunit_ser_image.h"

/* Computed outside of the kernel, from the text of the ABI alone. */
#define ROOT_CHECKSUM	0xf047e807
#define TABLE_CHECKSUM	0x3186cb25
#define DEVICE_CHECKSUM	0xd278cb7d

struct ser_image {
	struct irq_lu_root_ser *root;
	struct irq_lu_device_ref_ser *table;
	struct irq_lu_device_ser *msix;
	struct irq_lu_device_ser *msi;
};

static void free_guarded(void *area)
{
	vfree(area);
}

/* Memory that ends where its page ends, so that an overrun faults. May be empty. */
static void *guarded_alloc(struct kunit *test, size_t len)
{
	size_t room = PAGE_ALIGN(len + 1);
	void *area = vzalloc(room);

	KUNIT_ASSERT_NOT_NULL(test, area);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, free_guarded, area));

	return area + room - len;
}

static void *guarded_copy(struct kunit *test, const void *src, size_t len)
{
	return memcpy(guarded_alloc(test, len), src, len);
}

static struct irq_lu_device_ser *image_device(struct kunit *test,
					      const struct irq_lu_device_ser *head,
					      const struct irq_lu_vector_ser *vectors)
{
	struct irq_lu_device_ser *dev = guarded_alloc(test, DEVICE_LEN);

	*dev = *head;
	memcpy(dev->vectors, vectors, NR_VECTORS * sizeof(vectors[0]));
	irq_lu_ser_seal_device(dev);

	return dev;
}

static int ser_test_init(struct kunit *test)
{
	struct ser_image *img = kunit_kzalloc(test, sizeof(*img), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, img);

	img->msix = image_device(test, &image_msix, image_msix_vectors);
	img->msi = image_device(test, &image_msi, image_msi_vectors);
	img->table = guarded_copy(test, image_table, sizeof(image_table));
	img->root = guarded_alloc(test, ROOT_LEN);
	*img->root = image_root;
	memcpy(img->root->units, image_units, sizeof(image_units));
	irq_lu_ser_seal_root(img->root, img->table);

	test->priv = img;
	return 0;
}

static const char *check_root(const struct ser_image *img)
{
	const char *reason;

	reason = irq_lu_ser_check_root_head(img->root, ROOT_LEN);
	if (reason)
		return reason;

	/* As every caller does: memory that was not handed over is not read. */
	if (img->root->nr_devices > NR_DEVICES)
		return "device directory not preserved";
	return irq_lu_ser_check_root(img->root, img->table);
}

static const char *check_device(const struct ser_image *img, const struct irq_lu_device_ser *dev)
{
	return irq_lu_ser_check_device(dev, DEVICE_LEN, img->root);
}

/*
 * Valid state is accepted.
 */

static void valid_image_is_accepted(struct kunit *test)
{
	struct ser_image *img = test->priv;

	KUNIT_EXPECT_NULL(test, check_root(img));
	KUNIT_EXPECT_NULL(test, check_device(img, img->msix));
	KUNIT_EXPECT_NULL(test, check_device(img, img->msi));
}

static void seal_keeps_what_was_written(struct kunit *test)
{
	struct irq_lu_device_ser dev = image_msix;
	struct irq_lu_root_ser root = image_root;
	struct ser_image *img = test->priv;

	dev.len = DEVICE_LEN;
	dev.checksum = img->msix->checksum;
	KUNIT_EXPECT_MEMEQ(test, img->msix, &dev, sizeof(dev));
	KUNIT_EXPECT_MEMEQ(test, img->msix->vectors, image_msix_vectors,
			   sizeof(image_msix_vectors));

	root.state = IRQ_LU_STATE_FROZEN;
	root.checksum = img->root->checksum;
	root.dir_checksum = img->root->dir_checksum;
	KUNIT_EXPECT_MEMEQ(test, img->root, &root, sizeof(root));
	KUNIT_EXPECT_MEMEQ(test, img->root->units, image_units, sizeof(image_units));
	KUNIT_EXPECT_MEMEQ(test, img->table, image_table, sizeof(image_table));
}

/* Fails when layout or checksum change: then IRQ_LU_COMPATIBLE has to change too. */
static void checksum_is_that_of_the_abi(struct kunit *test)
{
	struct ser_image *img = test->priv;

	KUNIT_EXPECT_EQ(test, img->root->checksum, ROOT_CHECKSUM);
	KUNIT_EXPECT_EQ(test, img->root->dir_checksum, TABLE_CHECKSUM);
	KUNIT_EXPECT_EQ(test, img->msix->checksum, DEVICE_CHECKSUM);
}

KUNIT_ARRAY_PARAM_DESC(frozen_image, frozen_images, desc);

/* As it was written then. If it is the current format, the bytes are the same. */
static void each_released_format_is_read(struct kunit *test)
{
	const struct frozen_image *frozen = test->param_value;
	struct irq_lu_device_ref_ser *table;
	struct ser_image *img = test->priv;
	struct irq_lu_device_ser *dev[2];
	struct irq_lu_root_ser *root;

	root = guarded_copy(test, frozen->root, frozen->root_len);
	table = guarded_copy(test, frozen->table, frozen->table_len);
	KUNIT_EXPECT_NULL(test, irq_lu_ser_check_root_head(root, frozen->root_len));
	KUNIT_EXPECT_NULL(test, irq_lu_ser_check_root(root, table));
	for (unsigned int i = 0; i < ARRAY_SIZE(dev); i++) {
		dev[i] = guarded_copy(test, frozen->devices[i], frozen->device_len);
		KUNIT_EXPECT_NULL(test, irq_lu_ser_check_device(dev[i], frozen->device_len, root));
	}

	KUNIT_EXPECT_MEMEQ(test, root, img->root, ROOT_LEN);
	KUNIT_EXPECT_MEMEQ(test, table, img->table, sizeof(image_table));
	KUNIT_EXPECT_MEMEQ(test, dev[0], img->msix, DEVICE_LEN);
	KUNIT_EXPECT_MEMEQ(test, dev[1], img->msi, DEVICE_LEN);
}

static void root_without_units_and_devices_is_accepted(struct kunit *test)
{
	struct irq_lu_root_ser *root = guarded_copy(test, &image_root, sizeof(*root));

	root->nr_units = 0;
	root->nr_devices = 0;
	root->device_dir = 0;
	irq_lu_ser_seal_root(root, NULL);

	KUNIT_EXPECT_NULL(test, irq_lu_ser_check_root_head(root, sizeof(*root)));
	KUNIT_EXPECT_NULL(test, irq_lu_ser_check_root(root, NULL));
}

static void full_root_is_accepted(struct kunit *test)
{
	struct irq_lu_root_ser *root = guarded_alloc(test, IRQ_LU_ROOT_SIZE);
	struct ser_image *img = test->priv;

	*root = image_root;
	root->nr_units = IRQ_LU_MAX_UNITS;
	for (u32 i = 0; i < IRQ_LU_MAX_UNITS; i++) {
		root->units[i] = image_units[0];
		root->units[i].reg_base += i * SZ_4K;
		root->units[i].table += i * SZ_1M;
	}
	irq_lu_ser_seal_root(root, img->table);

	KUNIT_EXPECT_NULL(test, irq_lu_ser_check_root_head(root, IRQ_LU_ROOT_SIZE));
	KUNIT_EXPECT_NULL(test, irq_lu_ser_check_root(root, img->table));
}

static void device_without_vectors_is_accepted(struct kunit *test)
{
	struct irq_lu_device_ser *dev = guarded_copy(test, &image_msix, sizeof(*dev));
	struct ser_image *img = test->priv;

	dev->nr_vectors = 0;
	irq_lu_ser_seal_device(dev);

	KUNIT_EXPECT_NULL(test, irq_lu_ser_check_device(dev, sizeof(*dev), img->root));
}

static void full_device_is_accepted(struct kunit *test)
{
	size_t len = irq_lu_ser_device_len(IRQ_LU_MAX_VECTORS);
	struct irq_lu_device_ser *dev = guarded_alloc(test, len);
	struct ser_image *img = test->priv;

	*dev = image_msix;
	dev->hwsize = IRQ_LU_MAX_VECTORS;
	dev->nr_vectors = IRQ_LU_MAX_VECTORS;
	for (u32 i = 0; i < IRQ_LU_MAX_VECTORS; i++) {
		dev->vectors[i] = image_msix_vectors[0];
		dev->vectors[i].irq = INT_MAX - 1 - i;
		dev->vectors[i].msi_index = i;
		dev->vectors[i].handle = img->root->units[1].nr_entries - 1 - i;
	}
	irq_lu_ser_seal_device(dev);

	KUNIT_EXPECT_NULL(test, irq_lu_ser_check_device(dev, len, img->root));
}

/*
 * One field is set to one value: one line for each kind of bad input.
 */

struct ser_change {
	const char	*desc;
	size_t		offset;
	size_t		size;
	u64		value;
	const char	*reason;
};

#define CHANGE(_desc, _field, _value, _reason) {		\
	.desc	= _desc,					\
	.offset	= (uintptr_t)&(_field),				\
	.size	= sizeof(_field),				\
	.value	= (_value),					\
	.reason	= (_reason),					\
}

static void apply(void *blob, const struct ser_change *change)
{
	void *field = blob + change->offset;

	switch (change->size) {
	case sizeof(u8):
		*(u8 *)field = change->value;
		break;
	case sizeof(u16):
		*(u16 *)field = change->value;
		break;
	case sizeof(u32):
		*(u32 *)field = change->value;
		break;
	case sizeof(u64):
		*(u64 *)field = change->value;
		break;
	}
}

/* With the checksum recomputed, wherever the device directory is said to be */
static void reseal_root_head(struct irq_lu_root_ser *root)
{
	struct irq_lu_root_ser head = *root;
	u32 crc;

	head.checksum = 0;
	crc = crc32_le(~0U, &head, sizeof(head));
	root->checksum = crc32_le(crc, root->units, NR_UNITS * sizeof(root->units[0]));
}

#define BAD_ROOT(_field, _value, _reason) \
	CHANGE(#_field " = " #_value, (*(struct irq_lu_root_ser *)NULL)._field, \
	       _value, _reason)

static const struct ser_change bad_root_head[] = {
	BAD_ROOT(compatible[0], 0, "unknown format"),
	BAD_ROOT(compatible[16], '0', "unknown format"),
	BAD_ROOT(compatible[16], '2', "unknown format"),
	BAD_ROOT(compatible[17], '0', "unknown format"),
	BAD_ROOT(state, IRQ_LU_STATE_PREPARED, "not frozen"),
	BAD_ROOT(state, 0, "unknown state"),
	BAD_ROOT(state, IRQ_LU_STATE_FROZEN + 1, "unknown state"),
	BAD_ROOT(nr_units, NR_UNITS + 1, "units truncated"),
	BAD_ROOT(nr_units, IRQ_LU_MAX_UNITS + 1, "too many units"),
	BAD_ROOT(nr_units, U32_MAX, "too many units"),
	BAD_ROOT(nr_devices, IRQ_LU_MAX_DEVICES + 1, "too many devices"),
	BAD_ROOT(nr_devices, U32_MAX, "too many devices"),
	BAD_ROOT(device_dir, 0, "bad address of device directory"),
	BAD_ROOT(device_dir, 0x102000004, "bad address of device directory"),
	BAD_ROOT(device_dir, U64_MAX - 15, "bad address of device directory"),
	BAD_ROOT(reserved[0], 1, "reserved field of root not zero"),
	BAD_ROOT(reserved[2], BIT(31), "reserved field of root not zero"),
	BAD_ROOT(units[1].segment, 0, "duplicate unit"),
	BAD_ROOT(units[1].reg_base, 0, "unit without registers"),
	BAD_ROOT(units[1].table, 0, "bad address of remapping table"),
	BAD_ROOT(units[1].table, 0x101100001, "bad address of remapping table"),
	BAD_ROOT(units[1].table, 0x101000000, "duplicate remapping table"),
	BAD_ROOT(units[1].nr_entries, 0, "remapping table without entries"),
	BAD_ROOT(units[1].flags, BIT(1), "unknown unit flags"),
	BAD_ROOT(units[1].flags, BIT(31), "unknown unit flags"),
	BAD_ROOT(units[1].reserved[0], 1, "reserved field of unit not zero"),
	BAD_ROOT(units[0].reserved[3], BIT_ULL(63), "reserved field of unit not zero"),
};

KUNIT_ARRAY_PARAM_DESC(bad_root_head, bad_root_head, desc);

static void bad_root_head_is_refused(struct kunit *test)
{
	const struct ser_change *bad = test->param_value;
	struct ser_image *img = test->priv;
	const char *reason;

	apply(img->root, bad);
	reseal_root_head(img->root);
	reason = irq_lu_ser_check_root_head(img->root, ROOT_LEN);

	KUNIT_EXPECT_STREQ(test, reason, bad->reason);
}

/* Changed after the seal: the fields by which the rest of the state is found */
static const struct ser_change bad_root_seal[] = {
	BAD_ROOT(nr_units, NR_UNITS - 1, "checksum mismatch"),
	BAD_ROOT(nr_devices, NR_DEVICES - 1, "checksum mismatch"),
	BAD_ROOT(device_dir, 0x102000008, "checksum mismatch"),
	BAD_ROOT(dir_checksum, 0, "checksum mismatch"),
	BAD_ROOT(checksum, 0, "checksum mismatch"),
	BAD_ROOT(units[1].table, 0x101200000, "checksum mismatch"),
};

KUNIT_ARRAY_PARAM_DESC(bad_root_seal, bad_root_seal, desc);

/* The table as a structure, so that its fields can be named. */
struct table_fields {
	struct irq_lu_device_ref_ser ref[NR_DEVICES];
};

#define BAD_TABLE(_field, _value, _reason) \
	CHANGE(#_field " = " #_value, (*(struct table_fields *)NULL)._field, \
	       _value, _reason)

static const struct ser_change bad_table[] = {
	BAD_TABLE(ref[1].blob, 0, "bad address of device blob"),
	BAD_TABLE(ref[1].blob, 0x103001004, "bad address of device blob"),
	BAD_TABLE(ref[1].blob, U64_MAX - 47, "bad address of device blob"),
	BAD_TABLE(ref[1].len, 0, "bad length of device blob"),
	BAD_TABLE(ref[1].len, 47, "bad length of device blob"),
	BAD_TABLE(ref[1].len, DEVICE_LEN + 8, "bad length of device blob"),
	BAD_TABLE(ref[1].len, 48 + 2049 * 48, "bad length of device blob"),
	BAD_TABLE(ref[1].len, U32_MAX / 48 * 48, "bad length of device blob"),
	BAD_TABLE(ref[1].reserved, 1, "reserved field of device directory not zero"),
};

KUNIT_ARRAY_PARAM_DESC(bad_table, bad_table, desc);

static void bad_device_dir_is_refused(struct kunit *test)
{
	const struct ser_change *bad = test->param_value;
	struct ser_image *img = test->priv;
	const char *reason;

	apply(img->table, bad);
	irq_lu_ser_seal_root(img->root, img->table);
	reason = check_root(img);

	KUNIT_EXPECT_STREQ(test, reason, bad->reason);
}

static void shortest_and_longest_blob_are_accepted(struct kunit *test)
{
	struct ser_image *img = test->priv;

	img->table[0].len = irq_lu_ser_device_len(0);
	img->table[1].len = irq_lu_ser_device_len(IRQ_LU_MAX_VECTORS);
	irq_lu_ser_seal_root(img->root, img->table);

	KUNIT_EXPECT_NULL(test, check_root(img));
}

static void most_devices_are_accepted(struct kunit *test)
{
	struct ser_image *img = test->priv;

	img->root->nr_devices = IRQ_LU_MAX_DEVICES;
	reseal_root_head(img->root);

	KUNIT_EXPECT_NULL(test, irq_lu_ser_check_root_head(img->root, ROOT_LEN));
}

static void units_of_a_segment_may_share_a_table(struct kunit *test)
{
	struct ser_image *img = test->priv;

	img->root->units[1].segment = img->root->units[0].segment;
	img->root->units[1].reg_base += SZ_4K;
	img->root->units[1].table = img->root->units[0].table;
	reseal_root_head(img->root);

	KUNIT_EXPECT_NULL(test, irq_lu_ser_check_root_head(img->root, ROOT_LEN));
}

static void vector_is_found_by_its_index(struct kunit *test)
{
	struct ser_image *img = test->priv;
	struct irq_lu_device_ser *dev = img->msix;
	u32 found = 0;

	for (u32 index = 0; index <= U16_MAX; index++) {
		const struct irq_lu_vector_ser *vec = irq_lu_ser_find_vector(dev, index);

		if (!vec)
			continue;
		KUNIT_EXPECT_EQ(test, vec->msi_index, index);
		KUNIT_EXPECT_EQ(test, vec - dev->vectors, found);
		found++;
	}
	KUNIT_EXPECT_EQ(test, found, dev->nr_vectors);

	dev->nr_vectors = 0;
	KUNIT_EXPECT_EQ(test, !!irq_lu_ser_find_vector(dev, 0), 0);
}

static void unused_unit_is_accepted(struct kunit *test)
{
	struct ser_image *img = test->priv;

	for (u32 i = 0; i < NR_UNITS; i++) {
		memset(&img->root->units[i], 0, sizeof(img->root->units[i]));
		reseal_root_head(img->root);
		KUNIT_EXPECT_NULL(test, irq_lu_ser_check_root_head(img->root, ROOT_LEN));
	}

	/* No device is behind the unit. */
	KUNIT_EXPECT_STREQ(test, irq_lu_ser_check_device(img->msix, img->msix->len, img->root),
			   "table index out of range");
}

#define BAD_DEVICE(_field, _value, _reason) \
	CHANGE(#_field " = " #_value, (*(struct irq_lu_device_ser *)NULL)._field, \
	       _value, _reason)

static const struct ser_change bad_msix[] = {
	BAD_DEVICE(hdr_type, 0x80, "bad header type"),
	BAD_DEVICE(hdr_type, 3, "bad header type"),
	BAD_DEVICE(msi_type, 0, "unknown MSI type"),
	BAD_DEVICE(msi_type, 3, "unknown MSI type"),
	BAD_DEVICE(hwsize, 0, "bad size of MSI capability"),
	BAD_DEVICE(hwsize, IRQ_LU_MAX_VECTORS + 1, "bad size of MSI capability"),
	BAD_DEVICE(hwsize, NR_VECTORS - 1, "more vectors than the device has"),
	BAD_DEVICE(hwsize, 5, "MSI index out of range"),
	BAD_DEVICE(reserved[0], 1, "reserved field of device not zero"),
	BAD_DEVICE(reserved[4], BIT(31), "reserved field of device not zero"),
	BAD_DEVICE(vectors[1].irq, 0, "irq number out of range"),
	BAD_DEVICE(vectors[1].irq, INT_MAX, "irq number out of range"),
	BAD_DEVICE(vectors[1].irq, U32_MAX, "irq number out of range"),
	BAD_DEVICE(vectors[2].msi_index, 8, "MSI index out of range"),
	BAD_DEVICE(vectors[2].msi_index, U16_MAX, "MSI index out of range"),
	BAD_DEVICE(vectors[1].msi_index, 0, "MSI indices not ascending"),
	BAD_DEVICE(vectors[2].msi_index, 1, "MSI indices not ascending"),
	BAD_DEVICE(vectors[1].unit, NR_UNITS, "unit out of range"),
	BAD_DEVICE(vectors[1].unit, U16_MAX, "unit out of range"),
	BAD_DEVICE(vectors[2].unit, 0, "vectors behind different units"),
	BAD_DEVICE(vectors[0].source, U32_MAX, "vectors with different source ids"),
	BAD_DEVICE(vectors[2].source, 0, "vectors with different source ids"),
	BAD_DEVICE(vectors[1].handle, NR_ENTRIES / 2, "table index out of range"),
	BAD_DEVICE(vectors[1].handle, U32_MAX, "table index out of range"),
	BAD_DEVICE(vectors[0].msg_addr_lo, 0, "activated vector without message"),
	BAD_DEVICE(vectors[1].flags, BIT(0), "activated vector without message"),
	BAD_DEVICE(vectors[1].flags, BIT(1), "unknown vector flags"),
	BAD_DEVICE(vectors[1].flags, BIT(15), "unknown vector flags"),
	BAD_DEVICE(vectors[1].disposition, 1, "unknown disposition"),
	BAD_DEVICE(vectors[1].disposition, U8_MAX, "unknown disposition"),
	BAD_DEVICE(vectors[1].reserved[0], 1, "reserved field of vector not zero"),
	BAD_DEVICE(vectors[2].reserved[12], 0x80, "reserved field of vector not zero"),
};

KUNIT_ARRAY_PARAM_DESC(bad_msix, bad_msix, desc);

static void bad_msix_device_is_refused(struct kunit *test)
{
	const struct ser_change *bad = test->param_value;
	struct ser_image *img = test->priv;
	const char *reason;

	apply(img->msix, bad);
	irq_lu_ser_seal_device(img->msix);
	reason = check_device(img, img->msix);

	KUNIT_EXPECT_STREQ(test, reason, bad->reason);
}

static const struct ser_change bad_msi[] = {
	BAD_DEVICE(hwsize, 64, "bad size of MSI capability"),
	BAD_DEVICE(hwsize, 3, "bad size of MSI capability"),
	BAD_DEVICE(hwsize, 2, "more vectors than the device has"),
	BAD_DEVICE(vectors[0].irq, 61, "vectors of MSI not consecutive"),
	BAD_DEVICE(vectors[2].irq, 63, "vectors of MSI not consecutive"),
	BAD_DEVICE(vectors[2].msi_index, 3, "vectors of MSI not consecutive"),
	BAD_DEVICE(vectors[0].handle, 33, "vectors of MSI not consecutive"),
	BAD_DEVICE(vectors[2].handle, 35, "vectors of MSI not consecutive"),
};

KUNIT_ARRAY_PARAM_DESC(bad_msi, bad_msi, desc);

static void bad_msi_device_is_refused(struct kunit *test)
{
	const struct ser_change *bad = test->param_value;
	struct ser_image *img = test->priv;
	const char *reason;

	apply(img->msi, bad);
	irq_lu_ser_seal_device(img->msi);
	reason = check_device(img, img->msi);

	KUNIT_EXPECT_STREQ(test, reason, bad->reason);
}

static void msi_device_with_most_messages_is_accepted(struct kunit *test)
{
	struct ser_image *img = test->priv;

	img->msi->hwsize = 32;
	irq_lu_ser_seal_device(img->msi);

	KUNIT_EXPECT_NULL(test, check_device(img, img->msi));
}

/* One descriptor stands for all messages of MSI, from the first on. */
static void msi_device_without_its_first_message_is_refused(struct kunit *test)
{
	struct ser_image *img = test->priv;
	const char *reason;

	for (u32 i = 0; i < NR_VECTORS; i++)
		img->msi->vectors[i].msi_index++;
	irq_lu_ser_seal_device(img->msi);
	reason = check_device(img, img->msi);

	KUNIT_EXPECT_STREQ(test, reason, "vectors of MSI not consecutive");
}

/* Changed after the seal: the fields that the seal itself writes and depends on */
static const struct ser_change bad_seal[] = {
	BAD_DEVICE(len, 0, "length mismatch"),
	BAD_DEVICE(len, DEVICE_LEN - 48, "length mismatch"),
	BAD_DEVICE(len, U32_MAX, "length mismatch"),
	BAD_DEVICE(nr_vectors, 0, "length mismatch"),
	BAD_DEVICE(nr_vectors, NR_VECTORS + 1, "length mismatch"),
	/* The same length modulo 2^32. */
	BAD_DEVICE(nr_vectors, NR_VECTORS + BIT(28), "length mismatch"),
	BAD_DEVICE(nr_vectors, U32_MAX, "length mismatch"),
	BAD_DEVICE(checksum, 0, "checksum mismatch"),
	BAD_DEVICE(vectors[2].target, 4, "checksum mismatch"),
};

KUNIT_ARRAY_PARAM_DESC(bad_seal, bad_seal, desc);

static void device_changed_after_the_seal_is_refused(struct kunit *test)
{
	const struct ser_change *bad = test->param_value;
	struct ser_image *img = test->priv;
	const char *reason;

	apply(img->msix, bad);
	reason = check_device(img, img->msix);

	KUNIT_EXPECT_STREQ(test, reason, bad->reason);
}

/* Values that only the owner of the field can judge */
#define ANY_VALUE(_field, _value) \
	CHANGE(#_field " = " #_value, (*(struct irq_lu_device_ser *)NULL)._field, \
	       _value, NULL)

static const struct ser_change any_value[] = {
	ANY_VALUE(segment, U32_MAX),
	ANY_VALUE(devid, U16_MAX),
	ANY_VALUE(vendor, U16_MAX),
	ANY_VALUE(device, U16_MAX),
	ANY_VALUE(hdr_type, 2),
	ANY_VALUE(requester_id, U16_MAX),
	ANY_VALUE(vectors[0].msg_addr_lo, U32_MAX),
	ANY_VALUE(vectors[0].msg_addr_hi, U32_MAX),
	ANY_VALUE(vectors[0].msg_data, U32_MAX),
	ANY_VALUE(vectors[0].target, U32_MAX),
	/* Duplicates are refused when the second of them is reserved. */
	ANY_VALUE(vectors[0].irq, 39),
	ANY_VALUE(vectors[0].handle, 18),
};

KUNIT_ARRAY_PARAM_DESC(any_value, any_value, desc);

static void any_value_is_accepted(struct kunit *test)
{
	const struct ser_change *change = test->param_value;
	struct ser_image *img = test->priv;

	apply(img->msix, change);
	irq_lu_ser_seal_device(img->msix);

	KUNIT_EXPECT_NULL(test, check_device(img, img->msix));
}

static void unknown_backend_is_left_to_its_owner(struct kunit *test)
{
	struct ser_image *img = test->priv;

	img->root->units[0].backend = U32_MAX;
	irq_lu_ser_seal_root(img->root, img->table);

	KUNIT_EXPECT_NULL(test, check_root(img));
}

/* The device directory is not read from an address that may be wrong. */
static void root_head_changed_after_the_seal_is_refused(struct kunit *test)
{
	const struct ser_change *bad = test->param_value;
	struct ser_image *img = test->priv;
	const char *reason;

	apply(img->root, bad);
	reason = irq_lu_ser_check_root_head(img->root, ROOT_LEN);

	KUNIT_EXPECT_STREQ(test, reason, bad->reason);
}

static void table_changed_after_the_seal_is_refused(struct kunit *test)
{
	struct ser_image *img = test->priv;
	const char *reason;

	img->table[1].blob += DEVICE_LEN;
	KUNIT_ASSERT_NULL(test, irq_lu_ser_check_root_head(img->root, ROOT_LEN));
	reason = irq_lu_ser_check_root(img->root, img->table);

	KUNIT_EXPECT_STREQ(test, reason, "checksum mismatch of device directory");
}

static void misaligned_blobs_are_refused(struct kunit *test)
{
	void *root = guarded_alloc(test, ROOT_LEN + 4);
	void *dev = guarded_alloc(test, DEVICE_LEN + 4);
	struct ser_image *img = test->priv;
	const char *reason;

	memcpy(root, img->root, ROOT_LEN);
	reason = irq_lu_ser_check_root_head(root, ROOT_LEN);
	KUNIT_EXPECT_STREQ(test, reason, "root not aligned");

	memcpy(dev, img->msix, DEVICE_LEN);
	reason = irq_lu_ser_check_device(dev, DEVICE_LEN, img->root);
	KUNIT_EXPECT_STREQ(test, reason, "device blob not aligned");
}

static void truncated_root_is_refused(struct kunit *test)
{
	struct ser_image *img = test->priv;

	for (size_t len = 0; len < ROOT_LEN; len += sizeof(u64)) {
		void *root = guarded_copy(test, img->root, len);
		const char *reason;

		reason = irq_lu_ser_check_root_head(root, len);
		KUNIT_EXPECT_STREQ(test, reason, len < sizeof(image_root) ?
				   "root truncated" : "units truncated");
	}
}

static void truncated_device_is_refused(struct kunit *test)
{
	struct ser_image *img = test->priv;

	for (size_t len = 0; len < DEVICE_LEN; len += sizeof(u64)) {
		void *dev = guarded_copy(test, img->msix, len);
		const char *reason;

		reason = irq_lu_ser_check_device(dev, len, img->root);
		KUNIT_EXPECT_STREQ(test, reason, len < sizeof(image_msix) ?
				   "device blob truncated" : "length mismatch");
	}
}

static void device_longer_than_its_blob_is_refused(struct kunit *test)
{
	struct ser_image *img = test->priv;
	const char *reason;

	reason = irq_lu_ser_check_device(img->msix, DEVICE_LEN + 1, img->root);

	KUNIT_EXPECT_STREQ(test, reason, "length mismatch");
}

/*
 * Mutations.
 */

static void flip_bit(void *blob, size_t bit)
{
	((u8 *)blob)[bit / BITS_PER_BYTE] ^= BIT(bit % BITS_PER_BYTE);
}

static void every_bit_of_a_device_counts(struct kunit *test)
{
	struct ser_image *img = test->priv;

	for (size_t bit = 0; bit < DEVICE_LEN * BITS_PER_BYTE; bit++) {
		flip_bit(img->msix, bit);
		KUNIT_EXPECT_NOT_NULL_MSG(test, check_device(img, img->msix), "bit %zu", bit);
		flip_bit(img->msix, bit);
	}
}

static void every_bit_of_root_and_table_counts(struct kunit *test)
{
	struct ser_image *img = test->priv;

	for (size_t bit = 0; bit < ROOT_LEN * BITS_PER_BYTE; bit++) {
		flip_bit(img->root, bit);
		KUNIT_EXPECT_NOT_NULL_MSG(test, check_root(img), "root bit %zu", bit);
		flip_bit(img->root, bit);
	}

	for (size_t bit = 0; bit < sizeof(image_table) * BITS_PER_BYTE; bit++) {
		flip_bit(img->table, bit);
		KUNIT_EXPECT_NOT_NULL_MSG(test, check_root(img), "table bit %zu", bit);
		flip_bit(img->table, bit);
	}
}

#define MUTATION_SEED	0x1deadbee
#define NR_MUTATIONS	20000

static void flip_random_bits(struct rnd_state *rnd, void *blob, size_t len)
{
	u32 nr = 1 + prandom_u32_state(rnd) % 16;

	while (nr--)
		flip_bit(blob, prandom_u32_state(rnd) % (len * BITS_PER_BYTE));
}

static void mutated_device_is_refused(struct kunit *test)
{
	struct ser_image *img = test->priv;
	struct irq_lu_device_ser *orig = guarded_copy(test, img->msix, DEVICE_LEN);
	struct rnd_state rnd;

	prandom_seed_state(&rnd, MUTATION_SEED);

	for (int i = 0; i < NR_MUTATIONS; i++) {
		bool same;

		memcpy(img->msix, orig, DEVICE_LEN);
		flip_random_bits(&rnd, img->msix, DEVICE_LEN);
		same = !memcmp(img->msix, orig, DEVICE_LEN);
		KUNIT_ASSERT_EQ_MSG(test, !check_device(img, img->msix), same,
				    "mutation %d", i);
	}
}

static void mutated_root_is_refused(struct kunit *test)
{
	struct ser_image *img = test->priv;
	struct irq_lu_root_ser *orig = guarded_copy(test, img->root, ROOT_LEN);
	struct rnd_state rnd;

	prandom_seed_state(&rnd, MUTATION_SEED);

	for (int i = 0; i < NR_MUTATIONS; i++) {
		bool same;

		memcpy(img->root, orig, ROOT_LEN);
		flip_random_bits(&rnd, img->root, ROOT_LEN);
		same = !memcmp(img->root, orig, ROOT_LEN);
		KUNIT_ASSERT_EQ_MSG(test, !check_root(img), same, "mutation %d", i);
	}
}

/*
 * Beyond the checksum: garbage of the right length, with a valid seal. Whatever
 * is accepted is within the ranges that its readers rely on.
 */
static void sealed_garbage_is_in_range_or_refused(struct kunit *test)
{
	struct ser_image *img = test->priv;
	struct irq_lu_device_ser *orig = guarded_copy(test, img->msix, DEVICE_LEN);
	struct irq_lu_device_ser *dev = img->msix;
	unsigned int accepted = 0, refused = 0;
	struct rnd_state rnd;

	prandom_seed_state(&rnd, MUTATION_SEED);

	for (int i = 0; i < NR_MUTATIONS; i++) {
		memcpy(dev, orig, DEVICE_LEN);
		flip_random_bits(&rnd, dev, DEVICE_LEN);
		dev->nr_vectors = NR_VECTORS;
		irq_lu_ser_seal_device(dev);

		if (check_device(img, dev)) {
			refused++;
			continue;
		}
		accepted++;

		for (u32 v = 0; v < NR_VECTORS; v++) {
			const struct irq_lu_vector_ser *vec = &dev->vectors[v];

			KUNIT_ASSERT_LT(test, vec->msi_index, dev->hwsize);
			KUNIT_ASSERT_LT(test, vec->unit, NR_UNITS);
			KUNIT_ASSERT_LT(test, vec->handle, image_units[vec->unit].nr_entries);
			KUNIT_ASSERT_GT(test, (int)vec->irq, 0);
		}
	}

	/* Both have to happen for the test to say something. */
	KUNIT_EXPECT_GT(test, accepted, NR_MUTATIONS / 100);
	KUNIT_EXPECT_GT(test, refused, NR_MUTATIONS / 100);
}

static struct kunit_case ser_test_cases[] = {
	KUNIT_CASE(valid_image_is_accepted),
	KUNIT_CASE(seal_keeps_what_was_written),
	KUNIT_CASE(checksum_is_that_of_the_abi),
	KUNIT_CASE_PARAM(each_released_format_is_read, frozen_image_gen_params),
	KUNIT_CASE(root_without_units_and_devices_is_accepted),
	KUNIT_CASE(full_root_is_accepted),
	KUNIT_CASE(device_without_vectors_is_accepted),
	KUNIT_CASE(full_device_is_accepted),
	KUNIT_CASE(most_devices_are_accepted),
	KUNIT_CASE(shortest_and_longest_blob_are_accepted),
	KUNIT_CASE(units_of_a_segment_may_share_a_table),
	KUNIT_CASE(vector_is_found_by_its_index),
	KUNIT_CASE(unused_unit_is_accepted),
	KUNIT_CASE(msi_device_with_most_messages_is_accepted),
	KUNIT_CASE(msi_device_without_its_first_message_is_refused),
	KUNIT_CASE(unknown_backend_is_left_to_its_owner),
	KUNIT_CASE_PARAM(any_value_is_accepted, any_value_gen_params),
	KUNIT_CASE_PARAM(bad_root_head_is_refused, bad_root_head_gen_params),
	KUNIT_CASE_PARAM(bad_device_dir_is_refused, bad_table_gen_params),
	KUNIT_CASE_PARAM(bad_msix_device_is_refused, bad_msix_gen_params),
	KUNIT_CASE_PARAM(bad_msi_device_is_refused, bad_msi_gen_params),
	KUNIT_CASE_PARAM(device_changed_after_the_seal_is_refused, bad_seal_gen_params),
	KUNIT_CASE_PARAM(root_head_changed_after_the_seal_is_refused,
			 bad_root_seal_gen_params),
	KUNIT_CASE(table_changed_after_the_seal_is_refused),
	KUNIT_CASE(misaligned_blobs_are_refused),
	KUNIT_CASE(truncated_root_is_refused),
	KUNIT_CASE(truncated_device_is_refused),
	KUNIT_CASE(device_longer_than_its_blob_is_refused),
	KUNIT_CASE(every_bit_of_a_device_counts),
	KUNIT_CASE(every_bit_of_root_and_table_counts),
	KUNIT_CASE(mutated_device_is_refused),
	KUNIT_CASE(mutated_root_is_refused),
	KUNIT_CASE(sealed_garbage_is_in_range_or_refused),
	{}
};

static struct kunit_suite ser_test_suite = {
	.name		= "irq_liveupdate_ser",
	.init		= ser_test_init,
	.test_cases	= ser_test_cases,
};

kunit_test_suite(ser_test_suite);

MODULE_DESCRIPTION("KUnit tests of the serializer of the interrupt state");
MODULE_LICENSE("GPL");

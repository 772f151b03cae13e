/* SPDX-License-Identifier: GPL-2.0 */

#ifndef _DRIVERS_PCI_LIVEUPDATE_SER_H
#define _DRIVERS_PCI_LIVEUPDATE_SER_H

#include <linux/kho/abi/pci.h>

const char *pci_lu_ser_refuse_list(u64 pa, u64 *nr);
const char *pci_lu_ser_refuse_device(const struct pci_lu_dev_ser *dev);

#endif /* _DRIVERS_PCI_LIVEUPDATE_SER_H */

/* SPDX-License-Identifier: GPL-2.0-only */
/* A PCI bus with a host bridge and an NVMe controller, by configuration mechanism 1 */
#ifndef PCI_H
#define PCI_H

#include "../../guest/guest.h"

#define PCI_ADDRESS		0xcf8
#define PCI_DATA		0xcfc
/* The guest finds the controller there, and leaves it there. */
#define PCI_NVME_BAR		0xe0000000

#define PCI_SLOTS		2

struct pci_function {
	/* The registers, and which bits of them the guest may write */
	u8 reg[256], may[256];
};

struct pci {
	u32 address;
	struct pci_function slot[PCI_SLOTS];
};

void pci_create(struct pci *pci);
void pci_read(const struct pci *pci, u16 port, void *data, u32 size);
void pci_write(struct pci *pci, u16 port, const void *data, u32 size);
/* The controller's interrupt as the guest has set it; all 0 if it has not */
struct kvm_msi pci_msi(const struct pci *pci);

#endif /* PCI_H */

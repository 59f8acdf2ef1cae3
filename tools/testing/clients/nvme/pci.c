// SPDX-License-Identifier: GPL-2.0-only
#include <string.h>
#include <linux/pci_regs.h>

#include "nvme.h"
#include "pci.h"

#define ENABLE			0x80000000
#define VENDOR			0x1b36
#define DEVICE_BRIDGE		0x0008
#define DEVICE_NVME		0x00f0
#define CLASS_BRIDGE		0x060000
#define CLASS_NVME		0x010802
#define NVME_SLOT		1
/* Where its capability is: a 64-bit address, one vector */
#define MSI			0x50

static void set(u8 *reg, u32 at, u32 value, u32 size)
{
	memcpy(reg + at, &value, size);
}

static u32 get(const u8 *reg, u32 at, u32 size)
{
	u32 value = 0;

	memcpy(&value, reg + at, size);
	return value;
}

static void function_create(struct pci_function *function, u16 device, u32 class)
{
	set(function->reg, PCI_VENDOR_ID, VENDOR, 2);
	set(function->reg, PCI_DEVICE_ID, device, 2);
	set(function->reg, PCI_CLASS_REVISION, class << 8, 4);
	set(function->may, PCI_COMMAND,
	    PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_INTX_DISABLE, 2);
	set(function->may, PCI_INTERRUPT_LINE, 0xff, 1);
}

void pci_create(struct pci *pci)
{
	struct pci_function *nvme = &pci->slot[NVME_SLOT];

	function_create(&pci->slot[0], DEVICE_BRIDGE, CLASS_BRIDGE);
	function_create(nvme, DEVICE_NVME, CLASS_NVME);
	set(nvme->reg, PCI_BASE_ADDRESS_0, PCI_NVME_BAR | PCI_BASE_ADDRESS_MEM_TYPE_64, 4);
	set(nvme->may, PCI_BASE_ADDRESS_0, -NVME_BAR, 4);
	set(nvme->may, PCI_BASE_ADDRESS_1, -1, 4);
	set(nvme->reg, PCI_STATUS, PCI_STATUS_CAP_LIST, 2);
	set(nvme->reg, PCI_CAPABILITY_LIST, MSI, 1);
	set(nvme->reg, MSI + PCI_CAP_LIST_ID, PCI_CAP_ID_MSI, 1);
	set(nvme->reg, MSI + PCI_MSI_FLAGS, PCI_MSI_FLAGS_64BIT, 2);
	set(nvme->may, MSI + PCI_MSI_FLAGS, PCI_MSI_FLAGS_ENABLE, 2);
	set(nvme->may, MSI + PCI_MSI_ADDRESS_LO, -4, 4);
	set(nvme->may, MSI + PCI_MSI_ADDRESS_HI, -1, 4);
	set(nvme->may, MSI + PCI_MSI_DATA_64, 0xffff, 2);
}

/* The function that the address names, and the register; or NULL */
static const struct pci_function *at(const struct pci *pci, u16 port, u32 size, u32 *reg)
{
	u32 slot = pci->address >> 11 & 0x1fff;

	*reg = (pci->address & 0xfc) + (port - PCI_DATA);
	if (!(pci->address & ENABLE) || pci->address & 0x700 || slot >= PCI_SLOTS ||
	    port < PCI_DATA || port + size > PCI_DATA + 4)
		return NULL;
	return &pci->slot[slot];
}

void pci_read(const struct pci *pci, u16 port, void *data, u32 size)
{
	const struct pci_function *function;
	u32 reg;

	if (port == PCI_ADDRESS && size == 4) {
		memcpy(data, &pci->address, 4);
		return;
	}
	function = at(pci, port, size, &reg);
	if (function)
		memcpy(data, function->reg + reg, size);
}

void pci_write(struct pci *pci, u16 port, const void *data, u32 size)
{
	struct pci_function *function;
	const u8 *byte = data;
	u32 reg, i;

	if (port == PCI_ADDRESS && size == 4) {
		memcpy(&pci->address, data, 4);
		return;
	}
	function = (struct pci_function *)at(pci, port, size, &reg);
	for (i = 0; function && i < size; i++, reg++)
		function->reg[reg] = (function->reg[reg] & ~function->may[reg]) |
				     (byte[i] & function->may[reg]);
	function = &pci->slot[NVME_SLOT];
	if (get(function->reg, PCI_COMMAND, 2) & PCI_COMMAND_MEMORY &&
	    (get(function->reg, PCI_BASE_ADDRESS_0, 4) & PCI_BASE_ADDRESS_MEM_MASK) !=
	    PCI_NVME_BAR)
		die("the guest has moved the controller");
}

struct kvm_msi pci_msi(const struct pci *pci)
{
	const u8 *msi = pci->slot[NVME_SLOT].reg + MSI;

	if (!(get(msi, PCI_MSI_FLAGS, 2) & PCI_MSI_FLAGS_ENABLE))
		return (struct kvm_msi) { 0 };
	return (struct kvm_msi) {
		.address_lo = get(msi, PCI_MSI_ADDRESS_LO, 4),
		.address_hi = get(msi, PCI_MSI_ADDRESS_HI, 4),
		.data = get(msi, PCI_MSI_DATA_64, 2),
	};
}

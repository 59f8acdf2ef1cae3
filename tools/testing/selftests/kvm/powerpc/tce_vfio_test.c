// SPDX-License-Identifier: GPL-2.0-only
/*
 * TCE tables that hardware mirrors. A PCI device is bound to vfio-pci, and the VM
 * gets its IOMMU group. This needs bare metal and a PCI device that is not in use.
 * The test takes the first one that has an IOMMU group.
 *
 * If it is QEMU's "edu" device, DMA shows what hardware has. The device reads
 * through the entry, and writes the value to a page that VFIO has mapped. When the
 * memory is unregistered, the amount of locked memory shows whether each mapping
 * was counted and uncounted.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "tap.h"
#include "tce_vm.h"

#define LIOBN		0x80006000UL
#define HW_ENTRIES	8192UL		/* of 4 KiB, from 0 */
#define SCRATCH		((HW_ENTRIES - 1) << 12)	/* mapped by VFIO */
#define NOTHING		0x6e6f7468696e67UL

static struct vm *vm;
static struct vcpu *cpu;
static int container, group, device;
static char address[64];
static atomic_ulong *edu;		/* its registers, or NULL */
static atomic_ulong *scratch;	/* a page */
static bool attached;

static void write_sys(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		die("%s: %s", path, strerror(errno));
	close(fd);
}

/* The number of its IOMMU group, or -1 */
static int find_device(void)
{
	const char *dir = "/sys/bus/pci/devices";
	char path[512], target[512], *slash;
	struct dirent *e;
	int found = -1;
	ssize_t n;
	DIR *d;

	d = opendir(dir);
	while (found < 0 && d && (e = readdir(d))) {
		snprintf(path, sizeof(path), "%s/%s/iommu_group", dir, e->d_name);
		n = readlink(path, target, sizeof(target) - 1);
		if (n <= 0)
			continue;
		target[n] = 0;
		slash = strrchr(target, '/');
		/* Bridges are in the group as well */
		snprintf(path, sizeof(path), "%s/%s/class", dir, e->d_name);
		int fd = open(path, O_RDONLY);
		char class[16] = "";

		n = read(fd, class, sizeof(class) - 1);
		close(fd);
		if (n <= 0 || !strncmp(class, "0x0604", 6))
			continue;
		snprintf(address, sizeof(address), "%.60s", e->d_name);
		found = atoi(slash + 1);
	}
	if (d)
		closedir(d);
	return found;
}

static bool set_up(void)
{
	struct vfio_iommu_spapr_tce_remove remove = { .argsz = sizeof(remove) };
	struct vfio_iommu_spapr_tce_create create = {
		.argsz = sizeof(create),
		.page_shift = 12,
		.window_size = HW_ENTRIES << 12,
		.levels = 1,
	};
	struct vfio_group_status status = { .argsz = sizeof(status) };
	struct kvm_create_device kvm_device = { .type = KVM_DEV_TYPE_VFIO };
	struct kvm_device_attr attr = {
		.group = KVM_DEV_VFIO_GROUP,
		.attr = KVM_DEV_VFIO_GROUP_ADD,
		.addr = (uintptr_t)&group,
	};
	char path[512];
	int nr;

	nr = find_device();
	if (nr < 0)
		return false;
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver_override",
		 address);
	write_sys(path, "vfio-pci");
	write_sys("/sys/bus/pci/drivers_probe", address);

	container = open("/dev/vfio/vfio", O_RDWR);
	snprintf(path, sizeof(path), "/dev/vfio/%d", nr);
	group = open(path, O_RDWR);
	if (container < 0 || group < 0)
		die("%s: %s", path, strerror(errno));
	if (ioctl(group, VFIO_GROUP_GET_STATUS, &status) ||
	    !(status.flags & VFIO_GROUP_FLAGS_VIABLE))
		die("the group is not viable");
	if (ioctl(group, VFIO_GROUP_SET_CONTAINER, &container))
		die("VFIO_GROUP_SET_CONTAINER: %s", strerror(errno));
	if (ioctl(container, VFIO_SET_IOMMU, VFIO_SPAPR_TCE_v2_IOMMU))
		die("VFIO_SET_IOMMU: %s", strerror(errno));

	/* A small window in place of the default one */
	if (ioctl(container, VFIO_IOMMU_SPAPR_TCE_REMOVE, &remove))
		die("VFIO_IOMMU_SPAPR_TCE_REMOVE: %s", strerror(errno));
	if (ioctl(container, VFIO_IOMMU_SPAPR_TCE_CREATE, &create))
		die("VFIO_IOMMU_SPAPR_TCE_CREATE: %s", strerror(errno));
	if (create.start_addr)
		die("the window is at %#lx", (long)create.start_addr);

	if (ioctl(vm->fd, KVM_CREATE_DEVICE, &kvm_device))
		die("KVM_CREATE_DEVICE: %s", strerror(errno));
	device = kvm_device.fd;
	if (ioctl(device, KVM_SET_DEVICE_ATTR, &attr))
		die("KVM_DEV_VFIO_GROUP_ADD: %s", strerror(errno));
	return true;
}

static int group_ioctl(int what)
{
	struct kvm_device_attr attr = {
		.group = KVM_DEV_VFIO_GROUP,
		.attr = what,
		.addr = (uintptr_t)&group,
	};

	return ioctl(device, KVM_SET_DEVICE_ATTR, &attr) ? -errno : 0;
}

/* Remove the group from the VM, which detaches its tables, and add it again */
static void detach(void)
{
	if (!attached)
		return;
	attached = false;
	CHECK_EQ(group_ioctl(KVM_DEV_VFIO_GROUP_DEL), 0);
	CHECK_EQ(group_ioctl(KVM_DEV_VFIO_GROUP_ADD), 0);
}

static int attach(int tablefd)
{
	struct kvm_vfio_spapr_tce param = {
		.groupfd = group,
		.tablefd = tablefd,
	};
	struct kvm_device_attr attr = {
		.group = KVM_DEV_VFIO_GROUP,
		.attr = KVM_DEV_VFIO_GROUP_SET_SPAPR_TCE,
		.addr = (uintptr_t)&param,
	};

	if (ioctl(device, KVM_SET_DEVICE_ATTR, &attr))
		return -errno;
	attached = true;
	return 0;
}

static int registration(unsigned long cmd, void *at, uint64_t size)
{
	struct vfio_iommu_spapr_register_memory reg = {
		.argsz = sizeof(reg),
		.vaddr = (uintptr_t)at,
		.size = size,
	};

	return ioctl(container, cmd, &reg) ? -errno : 0;
}

static void register_memory(void)
{
	CHECK_EQ(registration(VFIO_IOMMU_SPAPR_REGISTER_MEMORY, vm->mem,
			      GUEST_MEM), 0);
}

static long locked_kb(void)
{
	char line[128];
	long kb = -1;
	FILE *f = fopen("/proc/self/status", "r");

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "VmLck: %ld", &kb) == 1)
			break;
	if (f)
		fclose(f);
	return kb;
}

/* VFIO returns success in both cases, but keeps memory that is still mapped */
static bool unregister_piece(void *at, uint64_t size)
{
	long before = locked_kb();

	CHECK_EQ(registration(VFIO_IOMMU_SPAPR_UNREGISTER_MEMORY, at, size), 0);
	return before - locked_kb() == (long)(size >> 10);
}

static void unregister_memory(void)
{
	CHECK(unregister_piece(vm->mem, GUEST_MEM), "memory stays mapped");
}

/*
 * The device
 */

#define EDU_ID		0
#define EDU_DMA_SRC	(0x80 / 8)
#define EDU_DMA_DST	(0x88 / 8)
#define EDU_DMA_COUNT	(0x90 / 8)
#define EDU_DMA_CMD	(0x98 / 8)
#define EDU_BUFFER	0x40000UL

static void dma(uint64_t from, uint64_t to, bool to_ram)
{
	/* The device has big-endian registers here */
	edu[EDU_DMA_SRC] = htobe64(from);
	edu[EDU_DMA_DST] = htobe64(to);
	edu[EDU_DMA_COUNT] = htobe64(8);
	edu[EDU_DMA_CMD] = htobe64(1 | (to_ram ? 2 : 0));
	while (be64toh(edu[EDU_DMA_CMD]) & 1)
		usleep(5000);
}

/* The value that the device reads at @ioba */
static uint64_t hw_read(uint64_t ioba)
{
	scratch[0] = NOTHING;
	dma(SCRATCH, EDU_BUFFER, false);
	dma(ioba, EDU_BUFFER, false);
	dma(EDU_BUFFER, SCRATCH, true);
	return scratch[0];
}

/* Every page of the guest's upper half begins with its address */
static void mark_memory(void)
{
	uint64_t at;

	for (at = GUEST_MEM / 2; at < GUEST_MEM; at += 4096)
		*(uint64_t *)gpa(vm, at) = at | 0x77;
}

static void check_hw(uint64_t ioba, uint64_t at, int line)
{
	uint64_t got;

	if (!edu)
		return;
	got = hw_read(ioba);
	if (at)
		CHECK(got == (at | 0x77), "line %d: the device reads %#lx at %#lx, should be %#lx",
		      line, got, ioba, at | 0x77);
	else
		CHECK((got & 0xfff) != 0x77, "line %d: the device reads %#lx at %#lx, should not",
		      line, got, ioba);
}

#define HW_HAS(ioba, at)	check_hw(ioba, at, __LINE__)
#define HW_HAS_NOT(ioba)	check_hw(ioba, 0, __LINE__)

static void set_up_edu(void)
{
	struct vfio_region_info config = {
		.argsz = sizeof(config),
		.index = VFIO_PCI_CONFIG_REGION_INDEX,
	}, bar = {
		.argsz = sizeof(bar),
		.index = VFIO_PCI_BAR0_REGION_INDEX,
	};
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.iova = SCRATCH,
		.size = 4096,
	};
	size_t page = getpagesize();
	uint16_t command;
	uint32_t id = 0;
	int fd;

	fd = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, address);
	if (fd < 0)
		die("VFIO_GROUP_GET_DEVICE_FD: %s", strerror(errno));
	if (ioctl(fd, VFIO_DEVICE_GET_REGION_INFO, &config) ||
	    ioctl(fd, VFIO_DEVICE_GET_REGION_INFO, &bar))
		die("VFIO_DEVICE_GET_REGION_INFO: %s", strerror(errno));
	if (pread(fd, &id, 4, config.offset) != 4)
		die("no configuration space");
	if (id != 0x11e81234) {
		printf("# not the edu device: no DMA\n");
		return;
	}
	/* Memory and bus master on */
	command = 2 | 4;
	if (pwrite(fd, &command, 2, config.offset + 4) != 2)
		die("no configuration space");
	edu = mmap(NULL, bar.size, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		   bar.offset);
	if (edu == MAP_FAILED)
		die("mmap of the device: %s", strerror(errno));
	id = be32toh(*(atomic_uint *)edu);
	if ((id & 0xff) != 0xed)
		die("the device says %#x", id);

	scratch = mmap(NULL, page, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memset((void *)scratch, 0, page);
	if (registration(VFIO_IOMMU_SPAPR_REGISTER_MEMORY, (void *)scratch, page))
		die("cannot register a page");
	map.vaddr = (uintptr_t)scratch;
	if (ioctl(container, VFIO_IOMMU_MAP_DMA, &map))
		die("VFIO_IOMMU_MAP_DMA: %s", strerror(errno));
}

static int table(uint32_t shift, uint64_t offset, uint64_t size)
{
	int fd = tce_create(vm, LIOBN, shift, offset, size);

	if (fd < 0)
		die("tce_create: %s", strerror(-fd));
	return fd;
}

static long put(uint64_t ioba, uint64_t tce)
{
	return vcpu_hcall(cpu, NULL, H_PUT_TCE, LIOBN, ioba, tce, 0);
}

static long put_list(uint64_t ioba, uint64_t n)
{
	return vcpu_hcall(cpu, NULL, H_PUT_TCE_INDIRECT, LIOBN, ioba,
			  GUEST_LISTS, n);
}

static long stuff(uint64_t ioba, uint64_t tce, uint64_t n)
{
	return vcpu_hcall(cpu, NULL, H_STUFF_TCE, LIOBN, ioba, tce, n);
}

static uint64_t get(uint64_t ioba)
{
	uint64_t value = 0;

	CHECK_EQ(vcpu_hcall(cpu, &value, H_GET_TCE, LIOBN, ioba, 0, 0),
		 H_SUCCESS);
	return value;
}

static void attach_errors(void)
{
	struct vm *other;
	int fd, null, k;

	CHECK_EQ(attach(-1), -EBADF);
	CHECK_EQ(attach(9999), -EBADF);

	null = open("/dev/null", O_RDWR);
	CHECK_EQ(attach(null), -EINVAL);
	close(null);
	CHECK_EQ(attach(vm->fd), -EINVAL);
	CHECK_EQ(attach(cpu->fd), -EINVAL);
	CHECK_EQ(attach(device), -EINVAL);

	other = vm_create(vm->kind, 1);
	fd = tce_create(other, LIOBN, 12, 0, HW_ENTRIES);
	CHECK_EQ(attach(fd), -EINVAL);
	close(fd);
	vm_destroy(other);

	/* Windows, some of which hardware's window does not cover */
	static const struct {
		uint32_t shift;
		uint64_t offset, size;
		int ret;
	} t[] = {
		{ 12, 0, HW_ENTRIES, 0 }, { 12, 0, 1, 0 },
		{ 16, 0, HW_ENTRIES / 16, 0 }, { 25, 0, 1, 0 },
		{ 12, 0, HW_ENTRIES + 1, -EINVAL }, { 12, 1, 16, -EINVAL },
		{ 16, 0, HW_ENTRIES / 16 + 1, -EINVAL }, { 26, 0, 1, -EINVAL },
		{ 12, 1UL << 47, 16, -EINVAL },
	};
	for (k = 0; k < (int)(sizeof(t) / sizeof(*t)); k++) {
		fd = table(t[k].shift, t[k].offset, t[k].size);
		CHECK(attach(fd) == t[k].ret, "window %d", k);
		close(fd);
		detach();
	}
}

/* Memory that is not registered: userspace handles the hcall */
static void not_registered(void)
{
	int fd = table(12, 0, 64);

	CHECK_EQ(attach(fd), 0);
	CHECK_EQ(put(0, 0x10003), H_USER);
	CHECK_EQ(get(0), 0);
	((uint64_t *)gpa(vm, GUEST_LISTS))[0] = htobe64(0x10003);
	CHECK_EQ(put_list(0, 1), H_USER);
	CHECK_EQ(get(0), 0);

	/* There is nothing to unmap, so an unmap succeeds */
	CHECK_EQ(put(0, 0), H_SUCCESS);
	CHECK_EQ(stuff(0, 0, 64), H_SUCCESS);
	/* Errors are the same as without hardware */
	CHECK_EQ(put(64 << 12, 0x10003), H_PARAMETER);
	CHECK_EQ(put(1, 0x10003), H_PARAMETER);
	CHECK_EQ(stuff(0, 3, 1), H_PARAMETER);
	CHECK_EQ(stuff(0, 0, 65), H_PARAMETER);
	close(fd);
	detach();
}

static void mirrored(uint32_t shift)
{
	uint64_t page = 1UL << shift, n = (HW_ENTRIES - 1) >> (shift - 12), i;
	uint64_t per_list = n < 512 ? n : 512, base = GUEST_MEM / 2;
	uint64_t a = base + page, b = base + 2 * page;
	uint64_t *list = gpa(vm, GUEST_LISTS);
	int fd;

	mark_memory();
	register_memory();
	fd = table(shift, 0, n);
	CHECK_EQ(attach(fd), 0);
	HW_HAS_NOT(0);

	CHECK_EQ(put(0, a | 3), H_SUCCESS);
	CHECK_EQ(get(0), a | 3);
	HW_HAS(0, a);
	/* An entry of the guest may be several hardware entries */
	if (shift > 12)
		HW_HAS(page - 4096, a + page - 4096);
	HW_HAS_NOT(page);

	/* Replace by the same entry, by another one, with each permission */
	CHECK_EQ(put(0, a | 3), H_SUCCESS);
	CHECK_EQ(put(0, b | 1), H_SUCCESS);
	HW_HAS(0, b);
	CHECK_EQ(put(0, a | 3), H_SUCCESS);
	CHECK_EQ(put(0, a | 2), H_SUCCESS);
	CHECK_EQ(get(0), a | 2);
	CHECK_EQ(put(0, 0), H_SUCCESS);
	HW_HAS_NOT(0);
	CHECK_EQ(put(0, 0), H_SUCCESS);

	/* A value without permissions is an unmap that is kept */
	CHECK_EQ(put((n - 1) << shift, a | 3), H_SUCCESS);
	HW_HAS((n - 1) << shift, a);
	CHECK_EQ(put((n - 1) << shift, 0xabc0), H_SUCCESS);
	CHECK_EQ(get((n - 1) << shift), 0xabc0);
	HW_HAS_NOT((n - 1) << shift);

	/* A failed hcall changes nothing */
	CHECK_EQ(put(0, a | 3), H_SUCCESS);
	CHECK_EQ(put(0, GUEST_MEM2_AT | 3), H_USER);
	CHECK_EQ(put(0, (1UL << 60) | 3), H_USER);
	CHECK_EQ(put(0, (a + 16) | 3), H_USER);
	CHECK_EQ(get(0), a | 3);
	HW_HAS(0, a);
	CHECK_EQ(put(0, 0), H_SUCCESS);

	/* Lists, with unmaps in them */
	for (i = 0; i < per_list; i++)
		list[i] = htobe64(i % 3 ? (base + i % 8 * page) | 3 : 0);
	CHECK_EQ(put_list(0, per_list), H_SUCCESS);
	CHECK_EQ(put_list(0, per_list), H_SUCCESS);
	for (i = 0; i < per_list; i++)
		CHECK_EQ(get(i << shift),
			 i % 3 ? (base + i % 8 * page) | 3 : 0);
	HW_HAS(page, base + page);
	HW_HAS(4 * page, base + 4 * page);
	HW_HAS_NOT(3 * page);

	/* A bad entry, or one that is not registered: no entry is stored */
	list[0] = htobe64(a | 3);
	list[per_list - 1] = htobe64(GUEST_MEM2_AT | 3);
	CHECK_EQ(put_list(0, per_list), H_USER);
	CHECK_EQ(get(0), 0);
	HW_HAS_NOT(0);
	CHECK_EQ(stuff(0, 0, per_list), H_SUCCESS);
	HW_HAS_NOT(page);
	CHECK_EQ(stuff(0, 0x40, n), H_SUCCESS);
	CHECK_EQ(get(0), 0x40);

	/* close() leaves hardware's entries as they are */
	CHECK_EQ(put(page, a | 3), H_SUCCESS);
	close(fd);
	HW_HAS(page, a);
	fd = table(shift, 0, n);
	CHECK_EQ(put(page, 0), H_SUCCESS);
	HW_HAS(page, a);
	CHECK_EQ(attach(fd), 0);
	CHECK_EQ(put(page, 0), H_SUCCESS);
	HW_HAS_NOT(page);
	close(fd);
	detach();
	unregister_memory();
}

static void mirrored_4k(void)
{
	mirrored(12);
}

static void mirrored_64k(void)
{
	mirrored(16);
}

static void mirrored_1m(void)
{
	mirrored(20);
}

/*
 * An entry of the guest that is 2048 hardware entries, more than one step changes.
 * If it fails in the middle, no part of it stays mapped or counted.
 */
static void entry_in_parts(void)
{
	const uint64_t page = GUEST_MEM / 2, at = GUEST_MEM / 2;
	uint64_t *list = gpa(vm, GUEST_LISTS);
	int fd;

	mark_memory();
	fd = table(__builtin_ctzl(page), 0, 3);
	CHECK_EQ(attach(fd), 0);

	CHECK_EQ(registration(VFIO_IOMMU_SPAPR_REGISTER_MEMORY, gpa(vm, at),
			      page / 2), 0);
	CHECK_EQ(put(0, at | 3), H_USER);
	CHECK_EQ(get(0), 0);
	HW_HAS_NOT(0);
	HW_HAS_NOT(page / 2 - 4096);
	CHECK(unregister_piece(gpa(vm, at), page / 2), "memory stays mapped");

	register_memory();
	CHECK_EQ(put(0, at | 3), H_SUCCESS);
	HW_HAS(0, at);
	HW_HAS(page / 2, at + page / 2);
	HW_HAS(page - 4096, at + page - 4096);
	HW_HAS_NOT(page);
	list[0] = 0;
	list[1] = htobe64(at | 3);
	CHECK_EQ(put_list(0, 2), H_SUCCESS);
	HW_HAS_NOT(0);
	HW_HAS_NOT(page - 4096);
	HW_HAS(page, at);
	HW_HAS(2 * page - 4096, at + page - 4096);
	CHECK_EQ(get(page), at | 3);
	CHECK_EQ(stuff(0, 0, 3), H_SUCCESS);
	HW_HAS_NOT(page);
	HW_HAS_NOT(2 * page - 4096);
	close(fd);
	detach();
	unregister_memory();
}

static void attach_and_detach(void)
{
	uint64_t a = GUEST_MEM / 2 + 4096;
	int fd, i;

	mark_memory();
	register_memory();
	fd = table(12, 0, 64);
	CHECK_EQ(put(0, a | 3), H_SUCCESS);
	HW_HAS_NOT(0);

	CHECK_EQ(attach(fd), 0);
	CHECK_EQ(attach(fd), 0);
	CHECK_EQ(put(0, a | 3), H_SUCCESS);
	HW_HAS(0, a);
	CHECK_EQ(put(0, 0), H_SUCCESS);
	HW_HAS_NOT(0);
	for (i = 0; i < 20; i++) {
		detach();
		CHECK_EQ(attach(fd), 0);
	}
	/* A table that is attached twice must be detached twice */
	detach();
	CHECK_EQ(attach(fd), 0);
	detach();
	close(fd);

	fd = table(12, 0, 64);
	CHECK_EQ(attach(fd), 0);
	detach();
	CHECK_EQ(put(0, a | 3), H_SUCCESS);
	HW_HAS_NOT(0);
	close(fd);
	unregister_memory();
}

static atomic_bool finish;
static atomic_int shared_fd = -1;

static void *closer(void *unused)
{
	struct timespec ts = { 0, 1000 };

	(void)unused;
	while (!finish) {
		int fd = tce_create(vm, LIOBN, 12, 0, HW_ENTRIES);

		if (fd < 0)
			continue;
		shared_fd = fd;
		nanosleep(&ts, NULL);
		close(fd);
	}
	return NULL;
}

/* Create and close other tables, so that attach waits for the lock */
static void *churner(void *arg)
{
	uint64_t liobn = LIOBN + 1 + (uintptr_t)arg;

	while (!finish) {
		int fd = tce_create(vm, liobn, 12, 0, 16);

		if (fd >= 0)
			close(fd);
	}
	return NULL;
}

static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000UL + ts.tv_nsec;
}

/* CVE-2024-41070: the descriptor is closed while the table is being attached */
static void attach_while_closed(void)
{
	unsigned long ok = 0, bad = 0, n = 0;
	pthread_t threads[4];
	uint64_t end;
	int ret, i;

	finish = false;
	for (i = 0; i < 4; i++)
		if (pthread_create(&threads[i], NULL, i ? churner : closer,
				   (void *)(uintptr_t)i))
			die("no thread");
	end = now() + 4000000000UL;
	while (now() < end) {
		ret = attach(shared_fd);
		if (!ret)
			ok++;
		else
			bad++;
		CHECK(!ret || ret == -EBADF || ret == -EINVAL, "%d", ret);
		if (++n % 16 == 0)
			detach();
	}
	finish = true;
	for (i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	detach();
	printf("# %lu attached, %lu came too late\n", ok, bad);
	CHECK(ok && bad, "too little overlap");
}

/* Attach and detach while a vCPU uses the table */
static void attach_while_used(void)
{
	struct vcpu *busy = &vm->vcpu[1];
	uint64_t end, a = GUEST_MEM / 2 + 4096;
	unsigned long n = 0;
	int fd;

	mark_memory();
	register_memory();
	fd = table(12, 0, 64);
	*busy->ctl = (struct guest_ctl){
		.job = JOB_REPEAT, .count = 1UL << 62,
		.arg = { H_PUT_TCE, LIOBN, 0x3000, a | 3, 0 },
	};
	vcpu_start(busy);
	end = now() + 2000000000UL;
	while (now() < end) {
		CHECK_EQ(attach(fd), 0);
		detach();
		n++;
	}
	__atomic_store_n(&busy->ctl->stop, 1, __ATOMIC_SEQ_CST);
	vcpu_join(busy);
	printf("# %lu times, %lu hcalls\n", n, (unsigned long)busy->ctl->done);
	CHECK_EQ(busy->ctl->failed, 0);

	CHECK_EQ(attach(fd), 0);
	CHECK_EQ(put(0x3000, a | 3), H_SUCCESS);
	HW_HAS(0x3000, a);
	CHECK_EQ(put(0x3000, 0), H_SUCCESS);
	HW_HAS_NOT(0x3000);
	close(fd);
	detach();
	unregister_memory();
}

/*
 * Two vCPUs change the same entries again and again. The memory that they map is
 * registered in pieces, and each piece counts its mappings. When all is unmapped,
 * each piece can be unregistered, unless its count is wrong. If the count of the
 * wrong piece went down, the count of another piece is too high.
 */
#define PIECES		4
#define PIECE		(GUEST_MEM / 2 / PIECES)
#define PIECE_AT(i)	(GUEST_MEM / 2 + (i) * PIECE)

static void repeat(struct vcpu *busy, uint64_t nr, uint64_t tce, uint64_t n)
{
	*busy->ctl = (struct guest_ctl){
		.job = JOB_REPEAT, .count = 1UL << 62,
		.arg = { nr, LIOBN, 0, tce, n },
	};
	vcpu_start(busy);
}

static void stop(struct vcpu *busy)
{
	__atomic_store_n(&busy->ctl->stop, 1, __ATOMIC_SEQ_CST);
	vcpu_join(busy);
	CHECK_EQ(busy->ctl->failed, 0);
}

static void same_entries(const char *what, uint64_t n, const uint64_t *job0,
			 const uint64_t *job1)
{
	struct vcpu *other = &vm->vcpu[1];
	uint64_t i;
	int k, fd;

	for (k = 0; k < PIECES; k++)
		CHECK_EQ(registration(VFIO_IOMMU_SPAPR_REGISTER_MEMORY,
				      gpa(vm, PIECE_AT(k)), PIECE), 0);
	fd = table(12, 0, 512);
	CHECK_EQ(attach(fd), 0);

	repeat(cpu, job0[0], job0[1], job0[2]);
	repeat(other, job1[0], job1[1], job1[2]);
	sleep(2);
	stop(cpu);
	stop(other);
	printf("# %s: %lu and %lu hcalls\n", what,
	       (unsigned long)cpu->ctl->done, (unsigned long)other->ctl->done);

	for (i = 0; i < n; i++)
		CHECK_EQ(put(i << 12, 0), H_SUCCESS);
	for (k = 0; k < PIECES; k++)
		CHECK(unregister_piece(gpa(vm, PIECE_AT(k)), PIECE),
		      "%s: piece %d stays pinned for good", what, k);
	close(fd);
	detach();
}

static void same_entries_raced(void)
{
	uint64_t *list = gpa(vm, GUEST_LISTS), *list2 = list + 512, i;
	const uint64_t put0[] = { H_PUT_TCE, PIECE_AT(0) | 3, 0 };
	const uint64_t put1[] = { H_PUT_TCE, PIECE_AT(1) | 3, 0 };
	const uint64_t clear[] = { H_STUFF_TCE, 0, 8 };
	const uint64_t list0[] = { H_PUT_TCE_INDIRECT, GUEST_LISTS, 8 };
	const uint64_t list1[] = { H_PUT_TCE_INDIRECT, GUEST_LISTS + 4096, 8 };

	mark_memory();
	for (i = 0; i < 8; i++) {
		list[i] = htobe64(PIECE_AT(i % PIECES) | 3);
		list2[i] = htobe64(PIECE_AT((i + 1) % PIECES) | 3);
	}
	same_entries("two values", 1, put0, put1);
	same_entries("a value and none", 8, put0, clear);
	same_entries("two lists", 8, list0, list1);
	same_entries("a list and none", 8, list0, clear);
}

/*
 * Guest memory does not begin at the start of a huge page. A hardware page of the
 * same size would begin in the middle of a huge page.
 */
static size_t huge_page_size(void)
{
	char line[128];
	long kb = 0;
	FILE *f = fopen("/proc/meminfo", "r");

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "Hugepagesize: %ld", &kb) == 1)
			break;
	if (f)
		fclose(f);
	return kb << 10;
}

static void unaligned_huge_pages(void)
{
	struct vfio_iommu_spapr_tce_create create = {
		.argsz = sizeof(create),
		.levels = 1,
	};
	struct vfio_iommu_spapr_tce_remove remove = { .argsz = sizeof(remove) };
	struct vfio_iommu_spapr_tce_info info = { .argsz = sizeof(info) };
	struct kvm_userspace_memory_region slot = {
		.slot = 2,
		.guest_phys_addr = 0x80000000UL,
	};
	size_t huge = huge_page_size();
	char pool[128];
	uint64_t *list = gpa(vm, GUEST_LISTS), ioba;
	char *mem;
	int fd;

	/* A POWER9 with hash tables has 16 MiB, but its IOMMU has not */
	if (ioctl(container, VFIO_IOMMU_SPAPR_TCE_GET_INFO, &info))
		die("VFIO_IOMMU_SPAPR_TCE_GET_INFO: %s", strerror(errno));
	if (!(info.ddw.pgsizes & huge))
		huge = 0;
	if (huge) {
		snprintf(pool, sizeof(pool),
			 "/sys/kernel/mm/hugepages/hugepages-%zukB/nr_hugepages",
			 huge >> 10);
		write_sys(pool, "4");
		mem = mmap(NULL, 2 * huge, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
	}
	if (!huge || mem == MAP_FAILED) {
		tap_skipped = "no huge pages, for memory and IOMMU";
		return;
	}
	create.page_shift = __builtin_ctzl(huge);
	create.window_size = 16 * huge;
	if (ioctl(container, VFIO_IOMMU_SPAPR_TCE_CREATE, &create))
		die("VFIO_IOMMU_SPAPR_TCE_CREATE: %s", strerror(errno));
	ioba = create.start_addr;
	CHECK_EQ(registration(VFIO_IOMMU_SPAPR_REGISTER_MEMORY, mem, 2 * huge), 0);
	fd = table(create.page_shift, ioba >> create.page_shift, 16);
	CHECK_EQ(attach(fd), 0);

	slot.memory_size = huge;
	slot.userspace_addr = (uintptr_t)mem + 65536;
	if (ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &slot))
		die("KVM_SET_USER_MEMORY_REGION: %s", strerror(errno));
	list[0] = htobe64(slot.guest_phys_addr | 3);
	CHECK_EQ(put(ioba, slot.guest_phys_addr | 3), H_USER);
	CHECK_EQ(put_list(ioba, 1), H_USER);
	CHECK_EQ(get(ioba), 0);
	slot.memory_size = 0;
	ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &slot);

	slot.memory_size = huge;
	slot.userspace_addr = (uintptr_t)mem;
	if (ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &slot))
		die("KVM_SET_USER_MEMORY_REGION: %s", strerror(errno));
	CHECK_EQ(put(ioba, slot.guest_phys_addr | 3), H_SUCCESS);
	CHECK_EQ(get(ioba), slot.guest_phys_addr | 3);
	CHECK_EQ(stuff(ioba, 0, 16), H_SUCCESS);
	CHECK(unregister_piece(mem, 2 * huge), "memory stays mapped");

	slot.memory_size = 0;
	ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &slot);
	close(fd);
	detach();
	remove.start_addr = create.start_addr;
	CHECK_EQ(ioctl(container, VFIO_IOMMU_SPAPR_TCE_REMOVE, &remove), 0);
	munmap(mem, 2 * huge);
	write_sys(pool, "0");
}

static const struct {
	const char *name;
	void (*run)(void);
} tests[] = {
	{ "attach_errors", attach_errors },
	{ "not_registered", not_registered },
	{ "mirrored_4k", mirrored_4k },
	{ "mirrored_64k", mirrored_64k },
	{ "mirrored_1m", mirrored_1m },
	{ "entry_in_parts", entry_in_parts },
	{ "attach_and_detach", attach_and_detach },
	{ "attach_while_used", attach_while_used },
	{ "attach_while_closed", attach_while_closed },
	{ "same_entries_raced", same_entries_raced },
	{ "unaligned_huge_pages", unaligned_huge_pages },
};

int main(int argc, char **argv)
{
	enum vm_kind kinds[3];
	size_t k;

	vm_kinds(kinds);
	vm = vm_create(kinds[0], 2);
	cpu = &vm->vcpu[0];
	if (!set_up()) {
		printf("1..0 # SKIP no PCI device with an IOMMU group\n");
		return 4;
	}
	set_up_edu();
	for (k = 0; k < sizeof(tests) / sizeof(*tests); k++) {
		if (argc > 1 && !strstr(tests[k].name, argv[1]))
			continue;
		tap_begin();
		tests[k].run();
		tap_end(tests[k].name, vm_kind_name(kinds[0]));
	}
	/* Linux 6.12 warns when a group is removed that was never attached */
	attach(-1);
	return tap_done();
}

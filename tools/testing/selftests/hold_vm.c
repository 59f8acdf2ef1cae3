// SPDX-License-Identifier: GPL-2.0-only
/*
 * Keep two VMs open, one with an in-kernel irqchip and one without, while a
 * command runs.
 *
 * The first VM, its first vCPU and its first local APIC switch static keys of the
 * host on. The last ones switch them off. The host then changes its own code. Test
 * programs make and free VMs all the time. A QEMU that emulates several processors
 * makes mistakes with such changes: see tools/vm/module/stale_int3.c.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/kvm.h>

static int hold(int kvm, int irqchip)
{
	int vm = ioctl(kvm, KVM_CREATE_VM, 0);

	if (vm < 0)
		return -1;
	if (irqchip && ioctl(vm, KVM_CREATE_IRQCHIP, 0))
		return -1;
	return ioctl(vm, KVM_CREATE_VCPU, 0);
}

int main(int argc, char *argv[])
{
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	int status;
	pid_t child;

	if (argc < 2) {
		fprintf(stderr, "usage: hold_vm COMMAND [ARGUMENT]...\n");
		return 2;
	}
	if (kvm < 0 || hold(kvm, 0) < 0 || hold(kvm, 1) < 0)
		perror("hold_vm: /dev/kvm");

	child = fork();
	if (!child) {
		execvp(argv[1], argv + 1);
		perror(argv[1]);
		_exit(127);
	}
	if (child < 0 || waitpid(child, &status, 0) < 0) {
		perror("hold_vm");
		return 127;
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * with_eventfds COMMAND...
 *
 * Runs a command with 16 eventfds at fd 900 and above, which are what
 * virt/kvm/eventfd_test.c takes from the process that starts it.
 */
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	int i, fd;

	for (i = 0; i < 16; i++) {
		fd = eventfd(0, EFD_NONBLOCK);
		if (fd < 0 || dup2(fd, 900 + i) < 0 || close(fd)) {
			perror("eventfd");
			return 1;
		}
	}
	if (argc > 1)
		execvp(argv[1], argv + 1);
	perror("with_eventfds");
	return 1;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Send bytes to the host over vsock, want them back unchanged.
 *
 *	vsock_echo PORT KIB
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <linux/vm_sockets.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct sockaddr_vm sa = {
		.svm_family = AF_VSOCK,
		.svm_cid = VMADDR_CID_HOST,
	};
	static unsigned char out[1024], in[1024];
	unsigned int seed = 1, i;
	long kib;
	int fd;

	if (argc != 3)
		errx(2, "usage: vsock_echo PORT KIB");
	sa.svm_port = strtoul(argv[1], NULL, 0);
	kib = strtol(argv[2], NULL, 0);

	fd = socket(AF_VSOCK, SOCK_STREAM, 0);
	if (fd < 0)
		err(1, "socket");
	if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)))
		err(1, "connect");
	for (long n = 0; n < kib; n++) {
		size_t got = 0;

		for (i = 0; i < sizeof(out); i++)
			out[i] = (seed = seed * 1103515245 + 12345) >> 16;
		if (write(fd, out, sizeof(out)) != sizeof(out))
			err(1, "write");
		while (got < sizeof(in)) {
			ssize_t r = read(fd, in + got, sizeof(in) - got);

			if (r <= 0)
				err(1, "read");
			got += r;
		}
		if (memcmp(in, out, sizeof(in)))
			errx(1, "other bytes came back in KiB %ld", n);
	}
	printf("echoed %ld KiB\n", kib);
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * The first and only other program in a VM of ppc64le or arm64: runs the
 * command whose words are in /command, NUL between them, and tells how it ended.
 *
 * Console output is framed, as the kernel and the firmware write there too:
 * everything between the BEGIN and the END line is the command's.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/klog.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#define MAX_WORDS 256
#define MAX_COPIES 4

static void die(const char *what)
{
	printf("@VM-FAILED %s: %s\n", what, strerror(errno));
	fflush(stdout);
	reboot(RB_POWER_OFF);
	exit(1);
}

static char **read_command(void)
{
	static char text[65536];
	static char *words[MAX_WORDS + 1];
	int fd, n, at = 0, i = 0;

	fd = open("/command", O_RDONLY);
	if (fd < 0)
		die("/command");
	n = read(fd, text, sizeof(text) - 1);
	if (n <= 0)
		die("/command");
	close(fd);

	while (at < n && i < MAX_WORDS) {
		words[i++] = text + at;
		at += strlen(text + at) + 1;
	}
	words[i] = NULL;
	return words;
}

static int status_of(int status)
{
	if (!WIFSIGNALED(status))
		return WEXITSTATUS(status);
	printf("@VM-SIGNAL %d\n", WTERMSIG(status));
	return 128 + WTERMSIG(status);
}

/* COPIES of the command at once; 0 if all of them return 0 */
static int run(char **words)
{
	const char *text = getenv("COPIES");
	int i, n = text ? atoi(text) : 1, left = n, status, ret = 0;
	pid_t pids[MAX_COPIES], pid;

	if (n < 1 || n > MAX_COPIES)
		die("COPIES");
	fflush(stdout);
	for (i = 0; i < n; i++) {
		pids[i] = fork();
		if (pids[i] < 0)
			die("fork");
		if (!pids[i]) {
			execv(words[0], words);
			fprintf(stderr, "%s: %s\n", words[0], strerror(errno));
			_exit(127);
		}
	}

	/* Orphans are ours as well */
	while (left) {
		pid = wait(&status);
		if (pid < 0 && errno != EINTR)
			die("wait");
		for (i = 0; i < n; i++) {
			if (pid != pids[i])
				continue;
			left--;
			status = status_of(status);
			if (status)
				ret = status;
		}
	}
	return ret;
}

/* The kernel's warnings and what it found wrong with itself */
static void tell_kernel(void)
{
	static char log[1 << 20];
	int taint = -1, n;
	FILE *f;

	f = fopen("/proc/sys/kernel/tainted", "r");
	if (f) {
		if (fscanf(f, "%d", &taint) != 1)
			taint = -1;
		fclose(f);
	}
	printf("@VM-TAINT %d\n", taint);

	n = klogctl(3, log, sizeof(log) - 1);
	if (n > 0) {
		log[n] = 0;
		printf("@VM-KLOG\n%s", log);
		if (log[n - 1] != '\n')
			printf("\n");
	}
}

/*
 * HV KVM on POWER8 runs vCPUs on the other threads of a core, and Linux has to be
 * off them. SMT=off on the kernel's command line becomes our environment.
 */
static void smt_off(void)
{
	const char *smt = getenv("SMT");
	int fd;

	if (!smt)
		return;
	fd = open("/sys/devices/system/cpu/smt/control", O_WRONLY);
	if (fd < 0 || write(fd, smt, strlen(smt)) < 0)
		die("smt/control");
	close(fd);
}

int main(void)
{
	struct termios tio;
	char **words;
	int status;

	mkdir("/proc", 0755);
	mkdir("/sys", 0755);
	mkdir("/dev", 0755);
	mkdir("/tmp", 01777);
	mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
	mount("proc", "/proc", "proc", 0, NULL);
	mount("sysfs", "/sys", "sysfs", 0, NULL);
	mount("debugfs", "/sys/kernel/debug", "debugfs", 0, NULL);

	/* The kernel opened /dev/console for us if it was in the initramfs */
	if (fcntl(1, F_GETFD) < 0) {
		int fd = open("/dev/console", O_RDWR);

		dup2(fd, 0);
		dup2(fd, 1);
		dup2(fd, 2);
	}
	if (!tcgetattr(1, &tio)) {
		tio.c_oflag &= ~OPOST;
		tcsetattr(1, TCSANOW, &tio);
	}

	smt_off();
	words = read_command();
	printf("\n@VM-BEGIN\n");
	status = run(words);
	printf("\n@VM-END %d\n", status);
	tell_kernel();
	printf("@VM-DONE\n");
	fflush(stdout);
	tcdrain(1);

	sync();
	reboot(RB_POWER_OFF);
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * The first program of every VM: static, alone in the initramfs but for the
 * modules it loads and the files that the command needs.
 *
 * It loads /vm/modules and runs the command of /vm/argv. Its own words, and the
 * kernel's, go to the serial console. There are two kinds of machines:
 *
 * With /vm/port, the command's output and its exit status go out through the virtio
 * port "vm". Without /vm/inside, the other side's root is mounted read-only over 9p,
 * with a /tmp of its own to write to, and becomes the root of the command.
 *
 * Without /vm/port, the command writes to the console, where the kernel and the
 * firmware write, too. What is between the lines @VM-BEGIN and @VM-END STATUS is the
 * command's. The kernel's log follows, up to the line @VM-DONE.
 *
 * What goes out through the port is a sequence of records: one byte of type,
 * four bytes of length (least significant first), data.
 *   r   the command starts now, no data
 *   o   bytes of its standard output
 *   e   bytes of its standard error
 *   x   one byte: the exit status; nothing follows
 *   f   words: why the command could not be run; nothing follows
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/klog.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define NEWROOT		"/host"
#define MAX_COPIES	4

static int port = -1;
static bool has_port;

static void out(char type, const void *data, uint32_t len)
{
	static char rec[5 + 65536];
	size_t done = 0, total = 5 + (size_t)len;

	rec[0] = type;
	for (int i = 0; i < 4; i++)
		rec[1 + i] = len >> 8 * i;
	memcpy(rec + 5, data, len);
	while (done < total) {
		ssize_t n = write(port, rec + done, total - done);

		if (n < 0 && errno != EINTR && errno != EAGAIN)
			break;
		if (n > 0)
			done += n;
	}
}

static int find_port(void);
static void nap(long ms);

static void __attribute__((noreturn)) power_off(void)
{
	fflush(stdout);
	tcdrain(1);
	sync();
	reboot(RB_POWER_OFF);
	for (;;)
		pause();
}

/* The other side ends the VM on the last record; this is for when it does not */
static void __attribute__((noreturn)) finish(void)
{
	sleep(20);
	power_off();
}

static void __attribute__((noreturn, format(printf, 1, 2)))
fail(const char *fmt, ...)
{
	int err = errno;
	char msg[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(msg, sizeof(msg) - 64, fmt, ap);
	va_end(ap);
	if (err) {
		strcat(msg, ": ");
		strncat(msg, strerror(err), 60);
	}
	fprintf(stderr, "vm: %s\n", msg);
	if (!has_port) {
		printf("@VM-FAILED %s\n", msg);
		power_off();
	}
	for (int i = 0; i < 50 && port < 0 && (port = find_port()) < 0; i++)
		nap(20);
	if (port >= 0)
		out('f', msg, strlen(msg));
	finish();
}

static void nap(long ms)
{
	struct timespec ts = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&ts, NULL);
}

/* A whole file, with a 0 behind it; NULL if there is none */
static char *slurp(const char *path, size_t *len)
{
	size_t size = 0, room = 4096;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *buf;
	ssize_t n;

	if (fd < 0)
		return NULL;
	buf = malloc(room + 1);
	while (buf && (n = read(fd, buf + size, room - size)) > 0) {
		size += n;
		if (size == room)
			buf = realloc(buf, (room *= 2) + 1);
	}
	close(fd);
	if (!buf)
		fail("no memory for %s", path);
	buf[size] = 0;
	if (len)
		*len = size;
	return buf;
}

static bool spill(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool ok;

	if (fd < 0)
		return false;
	ok = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	close(fd);
	return ok;
}

/* A file of 0-terminated strings as a NULL-terminated vector */
static char **slurp_vector(const char *path)
{
	size_t len, n = 0;
	char *buf = slurp(path, &len);
	char **v;

	if (!buf)
		return NULL;
	for (size_t i = 0; i < len; i++)
		n += !buf[i];
	v = calloc(n + 1, sizeof(*v));
	if (!v)
		fail("no memory for %s", path);
	n = 0;
	for (char *p = buf; p < buf + len; p += strlen(p) + 1)
		v[n++] = p;
	return v;
}

static void must_mount(const char *what, const char *where, const char *type,
		       unsigned long flags, const char *options)
{
	if (mount(what, where, type, flags, options))
		fail("cannot mount %s on %s", type ? type : what, where);
}

static void may_mount(const char *what, const char *where, const char *type)
{
	mount(what, where, type, 0, NULL);
}

/* Lines of /vm/modules: a path, then perhaps parameters */
static void load_modules(void)
{
	char *list = slurp("/vm/modules", NULL);
	char *save, *line;

	for (line = list ? strtok_r(list, "\n", &save) : NULL; line;
	     line = strtok_r(NULL, "\n", &save)) {
		char *par = strchr(line, ' ');
		int fd;

		if (par)
			*par++ = 0;
		/* Where a boot ends that hangs: see emulator_error() in run.py */
		fprintf(stderr, "vm: module %s\n", line);
		fd = open(line, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			fail("cannot open module %s", line);
		if (syscall(SYS_finit_module, fd, par ? par : "", 0) &&
		    errno != EEXIST)
			fail("cannot load module %s", line);
		close(fd);
	}
	free(list);
}

static int find_port(void)
{
	char path[300], *name;
	struct dirent *de;
	int fd = -1;
	DIR *dir = opendir("/sys/class/virtio-ports");

	while (dir && fd < 0 && (de = readdir(dir))) {
		snprintf(path, sizeof(path), "/sys/class/virtio-ports/%s/name",
			 de->d_name);
		name = slurp(path, NULL);
		if (name && !strcmp(name, "vm\n")) {
			snprintf(path, sizeof(path), "/dev/%s", de->d_name);
			fd = open(path, O_RDWR | O_CLOEXEC);
		}
		free(name);
	}
	if (dir)
		closedir(dir);
	return fd;
}

static void make_dir(const char *path, mode_t mode)
{
	if (mkdir(path, mode) && errno != EEXIST)
		fail("cannot make %s", path);
	chmod(path, mode);
}

static void devices(const char *dev)
{
	static const char *const link[][2] = {
		{ "fd", "/proc/self/fd" }, { "stdin", "/proc/self/fd/0" },
		{ "stdout", "/proc/self/fd/1" }, { "stderr", "/proc/self/fd/2" },
	};
	char path[64];

	must_mount("dev", dev, "devtmpfs", 0, "mode=755");
	snprintf(path, sizeof(path), "%s/pts", dev);
	make_dir(path, 0755);
	mount("pts", path, "devpts", 0, "ptmxmode=0666,mode=0620,gid=5");
	snprintf(path, sizeof(path), "%s/shm", dev);
	make_dir(path, 01777);
	mount("shm", path, "tmpfs", 0, "mode=1777");
	for (size_t i = 0; i < sizeof(link) / sizeof(link[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", dev, link[i][0]);
		symlink(link[i][1], path);
	}
}

static void loopback_up(void)
{
	struct ifreq ifr = { .ifr_name = "lo" };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return;
	ifr.ifr_flags = IFF_UP | IFF_RUNNING;
	ioctl(fd, SIOCSIFFLAGS, &ifr);
	close(fd);
}

/* Put the other side's files together at NEWROOT, then make that the root */
static void move_to_host(void)
{
	char *moddir = slurp("/vm/moddir", NULL);

	make_dir(NEWROOT, 0755);
	must_mount("host", NEWROOT, "9p", MS_RDONLY,
		   "trans=virtio,version=9p2000.L,msize=512000,cache=loose");

	make_dir("/writable", 0755);
	must_mount("writable", "/writable", "tmpfs", 0, "mode=755,size=75%");
	make_dir("/writable/upper", 01777);
	make_dir("/writable/work", 0755);
	must_mount("tmp", NEWROOT "/tmp", "overlay", 0,
		   "lowerdir=" NEWROOT "/tmp,upperdir=/writable/upper,workdir=/writable/work");

	must_mount("proc", NEWROOT "/proc", "proc", 0, NULL);
	must_mount("sys", NEWROOT "/sys", "sysfs", 0, NULL);
	may_mount("debug", NEWROOT "/sys/kernel/debug", "debugfs");
	may_mount("tracing", NEWROOT "/sys/kernel/tracing", "tracefs");
	may_mount("cgroup", NEWROOT "/sys/fs/cgroup", "cgroup2");
	must_mount("run", NEWROOT "/run", "tmpfs", 0, "mode=755");
	make_dir(NEWROOT "/run/lock", 01777);
	make_dir(NEWROOT "/run/initrd", 0755);
	must_mount("/", NEWROOT "/run/initrd", NULL, MS_BIND, NULL);
	devices(NEWROOT "/dev");

	/* modprobe finds the modules of the running kernel, if it can */
	if (moddir && *moddir) {
		char from[4200];

		snprintf(from, sizeof(from), NEWROOT "%s", moddir);
		/* Few containers have the folder: a layer that has it */
		if (access(NEWROOT "/lib/modules", F_OK)) {
			make_dir("/writable/lib", 0755);
			make_dir("/writable/lib/modules", 0755);
			mount("lib", NEWROOT "/usr/lib", "overlay", MS_RDONLY,
			      "lowerdir=/writable/lib:" NEWROOT "/usr/lib");
		}
		mount(from, NEWROOT "/lib/modules", NULL, MS_BIND, NULL);
	}
	free(moddir);

	if (chdir(NEWROOT) || mount(".", "/", NULL, MS_MOVE, NULL) ||
	    chroot(".") || chdir("/"))
		fail("cannot make the files of the host the root");
}

/* The command stays off the first processor: see machines.py */
static void leave_first_processor(void)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set))
		fail("sched_getaffinity");
	CPU_CLR(0, &set);
	/* A kernel for one processor has no other */
	if (CPU_COUNT(&set) && sched_setaffinity(0, sizeof(set), &set))
		fail("sched_setaffinity");
}

/* Start the command. With a port its output goes into two pipes, fds. */
static pid_t start(char **argv, char **envp, const char *cwd, int fds[2])
{
	int o[2] = { -1, -1 }, e[2] = { -1, -1 }, x[2], err = 0;
	pid_t pid;

	if ((has_port && (pipe2(o, O_CLOEXEC) || pipe2(e, O_CLOEXEC))) ||
	    pipe2(x, O_CLOEXEC))
		fail("pipe");
	fflush(stdout);
	pid = fork();
	if (pid < 0)
		fail("fork");
	if (!pid) {
		int null = open("/dev/null", O_RDONLY);

		setsid();
		dup2(null, 0);
		if (has_port) {
			dup2(o[1], 1);
			dup2(e[1], 2);
		}
		if (null > 2)
			close(null);
		if (!chdir(cwd))
			execvpe(argv[0], argv, envp);
		err = errno;
		(void)!write(x[1], &err, sizeof(err));
		_exit(127);
	}
	close(x[1]);
	if (read(x[0], &err, sizeof(err)) == sizeof(err)) {
		errno = err;
		fail("cannot run %s in %s", argv[0], cwd);
	}
	close(x[0]);
	if (has_port) {
		close(o[1]);
		close(e[1]);
		fcntl(o[0], F_SETFL, O_NONBLOCK);
		fcntl(e[0], F_SETFL, O_NONBLOCK);
	}
	fds[0] = o[0];
	fds[1] = e[0];
	return pid;
}

/* Pass on what there is; false at the end of the stream */
static bool relay(char type, int fd)
{
	static char buf[65536];
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) > 0)
		out(type, buf, n);
	return n < 0;
}

static int child_pipe[2];

static void on_child(int sig)
{
	(void)sig;
	(void)!write(child_pipe[1], "", 1);
}

static int status_of(int status)
{
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Pass on the output of the command until it ends. Orphans end here as well. */
static int serve_port(pid_t pid, int fds[2])
{
	int status = -1, st;
	struct pollfd p[3];
	pid_t got;

	p[0] = (struct pollfd){ .fd = fds[0], .events = POLLIN };
	p[1] = (struct pollfd){ .fd = fds[1], .events = POLLIN };
	p[2] = (struct pollfd){ .fd = child_pipe[0], .events = POLLIN };
	while (status < 0) {
		char drop[64];

		poll(p, 3, -1);
		while (read(child_pipe[0], drop, sizeof(drop)) > 0)
			;
		while ((got = waitpid(-1, &st, WNOHANG)) > 0)
			if (got == pid)
				status = status_of(st);
		/* After its exit, what it has written is still to be read */
		if (p[0].fd >= 0 && !relay('o', p[0].fd))
			p[0].fd = -1;
		if (p[1].fd >= 0 && !relay('e', p[1].fd))
			p[1].fd = -1;
	}
	return status;
}

/* Wait for all copies of the command; 0 if all of them return 0. */
static int wait_copies(pid_t *pids, int n)
{
	int status, left = n, ret = 0;
	pid_t pid;

	while (left) {
		pid = wait(&status);
		for (int i = 0; i < n; i++) {
			if (pid < 0 || pid != pids[i])
				continue;
			left--;
			if (status_of(status))
				ret = status_of(status);
		}
	}
	return ret;
}

static int run(void)
{
	char **argv = slurp_vector("/vm/argv"), **envp = slurp_vector("/vm/env");
	char *cwd = slurp("/vm/cwd", NULL), *copies = slurp("/vm/copies", NULL);
	struct rlimit nofile = { 1024, 1 << 20 };
	struct sigaction sa = { .sa_handler = on_child, .sa_flags = SA_RESTART };
	int fds[2], n = copies ? atoi(copies) : 1;
	pid_t pids[MAX_COPIES];

	errno = 0;
	if (!argv || !argv[0] || !envp || !cwd || n < 1 || n > MAX_COPIES)
		fail("no command in the initramfs");
	if (!access("/vm/spare", F_OK))
		leave_first_processor();
	if (access("/vm/inside", F_OK))
		move_to_host();
	setrlimit(RLIMIT_NOFILE, &nofile);
	if (pipe2(child_pipe, O_CLOEXEC | O_NONBLOCK))
		fail("pipe");
	/* execvpe searches the PATH of this program */
	for (char **e = envp; *e; e++)
		if (!strncmp(*e, "PATH=", 5))
			putenv(*e);

	if (!has_port) {
		printf("\n@VM-BEGIN\n");
		for (int i = 0; i < n; i++)
			pids[i] = start(argv, envp, cwd, fds);
		return wait_copies(pids, n);
	}
	sigaction(SIGCHLD, &sa, NULL);
	out('r', "", 0);
	return serve_port(start(argv, envp, cwd, fds), fds);
}

static const char leaks[] = "/sys/kernel/debug/kmemleak";

/* What is lost already when the command starts is not the command's */
static void forget_leaks(void)
{
	if (spill(leaks, "scan"))
		spill(leaks, "clear");
}

/*
 * The leak detector reports what was unreachable in two scans, and nothing
 * younger than five seconds.
 */
static void check_leaks(void)
{
	char *text;

	if (access(leaks, W_OK))
		return;
	nap(6000);
	if (!spill(leaks, "scan") || !spill(leaks, "scan"))
		fprintf(stderr, "vm: kmemleak does not take orders\n");
	text = slurp(leaks, NULL);
	if (text && *text)
		fprintf(stderr, "vm: kmemleak:\n%s\nvm: end of kmemleak\n", text);
	free(text);
}

/*
 * HV KVM on POWER8 runs vCPUs on the other threads of a core, and Linux has to be
 * off them.
 */
static void smt_off(void)
{
	if (!spill("/sys/devices/system/cpu/smt/control", "off"))
		fail("smt/control");
}

/* What the command did goes out by the port, or is on the console already. */
static void __attribute__((noreturn)) tell(unsigned char status)
{
	static char log[1 << 20];
	char *taint = slurp("/proc/sys/kernel/tainted", NULL);
	int n;

	if (has_port) {
		/* Let the console have what the kernel still wants to say */
		syscall(SYS_syslog, 8, NULL, 7);
		out('x', &status, 1);
		finish();
	}
	printf("\n@VM-END %d\n@VM-TAINT %s", status, taint ? taint : "-1\n");
	n = klogctl(3, log, sizeof(log) - 1);
	printf("%.*s\n@VM-DONE\n", n > 0 ? n : 0, log);
	power_off();
}

/* The terminal shall change nothing of what is written to it. */
static void raw_console(void)
{
	struct termios tio;

	if (tcgetattr(1, &tio))
		return;
	tio.c_oflag &= ~OPOST;
	tcsetattr(1, TCSANOW, &tio);
}

int main(void)
{
	unsigned char status;
	bool leaks_wanted;

	has_port = !access("/vm/port", F_OK);
	devices("/dev");
	must_mount("proc", "/proc", "proc", 0, NULL);
	must_mount("sys", "/sys", "sysfs", 0, NULL);
	may_mount("debug", "/sys/kernel/debug", "debugfs");
	may_mount("tracing", "/sys/kernel/tracing", "tracefs");
	sethostname("vm", 2);
	loopback_up();
	leaks_wanted = !access("/vm/leaks", F_OK);
	if (!has_port)
		raw_console();
	if (!access("/vm/smt-off", F_OK))
		smt_off();

	load_modules();
	if (leaks_wanted)
		forget_leaks();
	for (int i = 0; has_port && i < 500 && (port = find_port()) < 0; i++)
		nap(20);
	if (has_port && port < 0)
		fail("no virtio port");

	status = run();
	if (leaks_wanted)
		check_leaks();
	tell(status);
}

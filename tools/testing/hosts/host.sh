# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# What boot and secure_boot share. Sourced after lib.sh, never run.
#
# A host boots from its disk, by its own kernel, initramfs and systemd, in a VM in
# software. A guest of QEMU in it reads a virtio disk. Each boot runs a shell function of
# the caller in the host. What such functions use is in $dir/common.
#
# shellcheck disable=SC2154 # lib.sh sets them

release=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
dir=$build/$me
root=$dir/root
vm_options=()
rm -rf "$dir"
mkdir -p "$dir/packages"
trap 'rm -rf "$root" "$dir/disk" "$dir/packages"' EXIT

# make_host RELEASE [PACKAGE]...: make the disk of a host with this kernel, these packages,
# and what is in $dir/packages. An initramfs with all drivers takes minutes to make, and
# long to boot.
make_host() {
	local kernel=$1 kver image
	shift

	# The guest: the kernel of this machine's VMs, busybox, a disk
	need busybox-static qemu-system-x86 e2fsprogs
	"$top/tools/base" image
	kver=$("$top/tools/base" kver)
	image=$build/base/image/$kver
	python3 -B "$top/tools/testing/clients/guest_initrd" "$dir/guest.initrd" \
		"$image/lib/modules/$kver" "$top/tools/testing/hosts/guest_init" \
		'virtio_pci virtio_blk' /bin/busybox

	"$top/tools/deb/root" "$release" "$root" "linux-image-$kernel" systemd-sysv udev kmod \
		python3 qemu-system-x86 seabios "$@" -- \
		--essential-hook='mkdir -p "$1/etc/initramfs-tools/conf.d" \
			"$1/usr/share/initramfs-tools/modules.d"' \
		--essential-hook='echo MODULES=list >"$1/etc/initramfs-tools/conf.d/small"' \
		--essential-hook='printf "%s\n" virtio_pci virtio_blk crc32c ext4 \
			>"$1/usr/share/initramfs-tools/modules.d/host"'
	python3 -B "$top/tools/vm/disk.py" "$root"
	# What takes long in software, too: apt's lists of the archive
	rm -rf "$root"/var/lib/apt/lists/*
	mkdir "$root/test"
	cp -r "$dir/packages/." "$dir/guest.initrd" "$root/test/"
	cp -L "$image/boot/vmlinuz-$kver" "$root/test/guest.kernel"
	head -c 1M /dev/urandom >"$root/test/guest.disk"
	mke2fs -q -t ext4 -d "$root" "$dir/disk" 4G
}

cat >"$dir/common" <<'END'
cd /test
export DEBIAN_FRONTEND=noninteractive LC_ALL=C
check() {
	words=$1
	shift
	if "$@"; then echo "ok: $words"; else echo "not ok: $words"; fi
}
get() {
	apt-get -qq -y -o APT::Sandbox::User=root "$@" >get.log 2>&1 || { cat get.log; exit 1; }
}
# With checksums, what is in a kernel's folder
list() {
	cd "/usr/lib/modules/$1"
	find . -printf '%p %y %m %l\n' | sort
	find . -type f -print0 | sort -z | xargs -0 sha256sum
	cd /test
}
running() {
	[ "$(uname -r)" = "$1" ]
}
stock_loaded() {
	[ -e /sys/module/kvm_amd ] && [ ! -e /sys/module/kvm/version ]
}
ours_loaded() {
	[ -e /sys/module/kvm_amd ] &&
	[ "$(cat /sys/module/kvm/version)" = \
		"$(modinfo -F version "/lib/modules/$(uname -r)/updates/kvm.ko")" ]
}
# status EXPRESSION: of what kvm_doorbells says, in python
status() {
	kvm_doorbells status --json >status.json || :
	python3 -c 'import json, sys
s = json.load(open("status.json"))
ok = eval("(%s)" % sys.argv[1])
if not ok: print(json.dumps(s, indent=1))
sys.exit(not ok)' "$1"
}
guest_start() {
	rm -f guest.log
	qemu-system-x86_64 -machine q35,accel=kvm -cpu host -m 256 -nodefaults -display none \
		-kernel guest.kernel -initrd guest.initrd \
		-append 'console=ttyS0 quiet mitigations=off nohz=off tsc=unstable nokaslr' \
		-drive file=guest.disk,if=virtio,format=raw -serial file:guest.log \
		-pidfile guest.pid -daemonize
}
guest_count() {
	grep -c '^guest: read ' guest.log || :
}
# At least $1 reads of the disk more, in ten minutes at most
guest_reads() {
	goal=$(($(guest_count) + $1))
	for _ in $(seq 300); do
		[ "$(guest_count)" -lt "$goal" ] || return 0
		sleep 2
	done
	tail guest.log
	return 1
}
guest_disk_is_right() {
	grep -q "^guest: disk $(sha256sum <guest.disk)" guest.log
}
guest_end() {
	pid=$(cat guest.pid)
	kill "$pid"
	while [ -e "/proc/$pid" ]; do sleep 1; done
}
END

# boot NAME: run the function of that name in the host
boot() {
	say "boot: $1"
	{ cat "$dir/common"; declare -f "$1"; echo "$1"; } >"$dir/$1.sh"
	ARCH=disk "$top/tools/vm/vm" --log "$dir/$1.log" --timeout 3600 --disk "$dir/disk" \
		"${vm_options[@]}" --file "script=$dir/$1.sh" -c 'sh /vm/script' |
		tee -a "$dir/result" ||
		echo "not ok: $1 ended with status $?" | tee -a "$dir/result"
}

# boots NAME...: all of them, and the sum
boots() {
	local name passed failed

	for name; do
		boot "$name"
	done
	passed=$(grep -c '^ok: ' "$dir/result" || :)
	failed=$(grep -c '^not ok: ' "$dir/result" || :)
	echo "$passed passed, $failed failed"
	[ "$failed" = 0 ]
}

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A node of the index, changed in place inside a write section of its seqcount
 * (virt/kvm/io_bus_index.h), against a reader. Keys 2 and 4 stay; 3 comes
 * between them and goes again, which moves 4 up and down. The value of key k is
 * 10 k.
 *
 *  - the key that stays is found, with its value;
 *  - the one that comes and goes is found with its value or not at all.
 *
 * Each load and each store is a step; stores within the section are not ordered
 * by anything but the section, so the model does key and value of an entry in
 * either order.
 *
 * Broken variants: NO_RETRY NO_BEGIN
 */
byte seq;
byte nr = 2;
byte key[3], val[3];

inline set(i, k, v)
{
	if
	:: key[i] = k; val[i] = v
	:: val[i] = v; key[i] = k
	fi
}

proctype writer()
{
	/* Insert 3 at 1 */
#ifndef NO_BEGIN
	seq++;
#endif
	set(2, key[1], val[1]);
	set(1, 3, 30);
	nr = 3;
	seq++;
#ifdef NO_BEGIN
	seq++;
#endif
	/* Remove it */
#ifndef NO_BEGIN
	seq++;
#endif
	set(1, key[2], val[2]);
	nr = 2;
	seq++
#ifdef NO_BEGIN
	;
	seq++
#endif
}

proctype reader(byte want)
{
	byte s, n, base, half, k, v, found;

again:
	s = seq;
	s = s - (s % 2);
	n = nr;
	base = 0;
	do
	:: n > 1 ->
		half = n / 2;
		k = key[base + half];
		if
		:: k <= want -> base = base + half
		:: else -> skip
		fi;
		n = n - half
	:: else -> break
	od;
	found = 0;
	k = key[base];
	if
	:: k == want -> v = val[base]; found = v
	:: else -> skip
	fi;
#ifndef NO_RETRY
	if
	:: seq != s -> goto again
	:: else -> skip
	fi;
#endif
	assert(want == 3 || found == want * 10);
	assert(want != 3 || found == 0 || found == 30)
}

init
{
	atomic {
		key[0] = 2; val[0] = 20;
		key[1] = 4; val[1] = 40;
		run writer();
		if
		:: run reader(2)
		:: run reader(3)
		:: run reader(4)
		fi
	}
}

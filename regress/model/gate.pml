/* SPDX-License-Identifier: ISC */
/*
 * The release gate (design.md 4 and appendix A) for spin: one hostile worker
 * with two links, broker, ledger, egress.  regress/model/README says what is
 * abstracted and what is left out; model.sh runs it.
 *
 * Claims:
 *  R2	a complete request that a provider holds is the one of a durable record
 *  R2'	no credential leaves the broker before its intent is durable
 *  G4	each durable intent gets exactly one outcome
 *  D	the body of a refused number never goes out, nor stays at the egress
 *
 * Weakened on purpose, each must fail: NO_DIGEST, REPEAT_NUMBER, NO_DROP,
 * EARLY_RELEASE, SETTLE_TWICE, RESEND_WRITES, LOST_OUTCOME.  NEVER_SENT claims
 * that nothing ever goes out whole, so that the other claims are not empty.
 */
#ifndef NOS
#define NOS	2		/* call numbers 1..NOS */
#endif
#ifndef ROWS
#define ROWS	2		/* rows of the broker's call table */
#endif
#define LINKS	2		/* links 1..LINKS are the worker's, 0 a stranger's */
#define QUEUE	(2 * NOS)	/* asserted: nobody ever waits for room */

/*
 * Messages, as common/ipc/proto.h names them: model.sh compares name, link
 * and direction, and that every other row of WB, BE, BL stands under NOT.
 */
/* WB UP */	mtype = { ADMIT, CALL, AMEND, CANCEL, OUTCOME };
/* WB DOWN */	mtype = { ADMITTED, ALLOW, REDACT, DENY, FAIL, CUT };
/* BE DOWN */	mtype = { RELEASE, DROP, EG_CUT };
/* BE UP */	mtype = { DONE };
/* BL DOWN */	mtype = { BATCH };
/* BL UP */	mtype = { HELLO, COMMITTED };
/* NOT: LINK LINKED NOLINK READY ERROR ANSWER EG_LINKED UPSTREAM PEN DELTA PAGE PAGED REFUSED */

/* Frames of a link, as common/ipc/link.h names them; DATA is in LF_END. */
mtype = { LF_OPEN, LF_END, LF_ABORT };

/* States of appendix A. */
#define FREE		0
#define ADMITTED_	1
#define AMENDING	2
#define COMMITTING	3
#define WAITCRED	4
#define RELEASED	5
#define SETTLING	6
#define CLOSING		7

#define BIT(n)		(1 << (n))
#define HAS(set, n)	(((set) >> (n)) & 1)

/*
 * What the worker sends needs no queue: it reacts to nothing, so that a message
 * that waits is the same as one that is sent later.
 */
chan wb = [0] of { mtype, byte, byte, bit };	/* number, link, digest */
chan wl = [0] of { mtype, byte, byte, bit };	/* link, number, body */
chan be = [QUEUE] of { mtype, byte, byte, bit, byte };	/* .., digest, id */
chan eb = [QUEUE] of { mtype, byte, byte, byte };	/* link, number, id */
chan bl = [1] of { mtype, bit, byte, byte };	/* batch, intents, outcomes */
chan lb = [1] of { mtype, bit };		/* batch */

/* ---- the log, and what the claims remember -------------------------------- */
byte	durable;		/* intents on disk, by id */
byte	closed;			/* outcomes on disk, by id */
byte	record;			/* digest in each intent, by id */
byte	refused;		/* numbers */
byte	shed[LINKS];		/* numbers that the egress must not keep */
bit	calm;			/* no more faults: everything must come to rest */
byte	faults;			/* losses of a peer or a link so far */

#ifndef FAULTS
#define FAULTS	0
#endif
#ifndef FRAMES
#define FRAMES	99		/* that the worker sends on its links; 99: any */
#endif
#if FRAMES < 99
byte	frames = FRAMES;
#define FRAME		(frames > 0)
#define USE_FRAME	frames--
#define NO_FRAMES	frames = 0
#else
#define FRAME		(!calm)
#define USE_FRAME	skip
#define NO_FRAMES	skip
#endif
#define FAULT	(!calm && faults < FAULTS)

/* ---- broker ----------------------------------------------------------------- */
typedef call {
	byte	st;
	byte	no;
	byte	link;
	byte	id;
	bit	digest;
	bit	redacted;
	bit	dead;		/* marked: act at COMMITTED */
	bit	freed;		/* answered or cancelled: the link may go on */
	bit	cut;
	bit	done;		/* DONE is here */
	bit	told;		/* OUTCOME is here */
};

call	c[ROWS];
byte	last;			/* highest number of the worker */
byte	ids;
byte	new_i, new_o;			/* intents, outcomes of the forming batch */
byte	away_i, away_o;			/* ... of the outstanding one */
bit	out, batch;
bit	wlost, elost;		/* heard of */
bit	edead;
bit	gone;			/* the broker was killed */

/* ---- a link at the egress --------------------------------------------------- */
typedef lane {
	byte	no;		/* of the latest OPEN */
	bit	offer;		/* its body is kept */
	bit	open;		/* body: frames of it may come */
	bit	whole;		/* body: complete */
	bit	body;		/* ... and it is this one */
	bit	toss;		/* body: discarded as it comes */
	byte	past;		/* highest number of a DROP or a DONE */
	byte	x;		/* number of RELEASE, 0 none */
	bit	digest;
	byte	id;
	bit	live;		/* OPEN and RELEASE have met */
	bit	went;		/* the tail is out */
	bit	shut;		/* the worker closed it */
};

lane	e[LINKS];

/* Numbers strictly increase, over all links of the worker. */
#ifndef REPEAT_NUMBER
#define HIGHER(n)	((n) > last)
#else
#define HIGHER(n)	(len(be) == 0)	/* any number; no flood of DROPs */
#endif

/* A link that the broker knows as this worker's. */
#define OURS(l)	((l) != 0 && !wlost && !elost)

inline to_egress(msg, lnk, num, sum, rec)
{
	if
	:: edead
	:: else ->
		assert(len(be) < QUEUE);
		be!msg(lnk, num, sum, rec)
	fi
}

/* The worker is told: it reacts to nothing, so nothing is sent. */
inline tell(m)
{
	skip
}

inline refuse(num)
{
	refused = refused | BIT(num)
}

/* The egress has to forget what came under this number. */
inline drop(lnk, num)
{
	if
	:: lnk != 0 ->
		shed[lnk - 1] = shed[lnk - 1] | BIT(num);
#ifndef NO_DROP
		to_egress(DROP, lnk, num, 0, 0)
#endif
	:: else
	fi
}

inline wipe(r)
{
	d_step {
	c[r].st = FREE; c[r].no = 0; c[r].link = 0; c[r].id = 0;
	c[r].digest = 0; c[r].redacted = 0; c[r].dead = 0; c[r].freed = 0;
	c[r].cut = 0; c[r].done = 0; c[r].told = 0 }
}

inline settle(r)
{
	assert(!HAS(new_o | away_o | closed, c[r].id));
#ifndef LOST_OUTCOME
	new_o = new_o | BIT(c[r].id);
#else
	if
	:: !c[r].done && !c[r].told
	:: else -> new_o = new_o | BIT(c[r].id)
	fi;
#endif
	d_step {
	c[r].digest = 0; c[r].redacted = 0; c[r].dead = 0; c[r].freed = 0;
	c[r].cut = 0; c[r].done = 0; c[r].told = 0;
	c[r].st = CLOSING }
}

inline release(r)
{
	assert(HAS(durable, c[r].id));
#ifndef REPEAT_NUMBER
	assert(!HAS(refused, c[r].no));		/* else: seen at the egress */
#endif
	to_egress(RELEASE, c[r].link, c[r].no, c[r].digest, c[r].id);
	tell(ALLOW);
	c[r].digest = 0; c[r].redacted = 0;
	c[r].st = RELEASED
}

/* The row of number n, else ROWS. */
inline find(r, num)
{
	d_step {
	r = 0;
	do
	:: r < ROWS && (c[r].st == FREE || c[r].no != num) -> r++
	:: else -> break
	od }
}

inline find_free(r)
{
	d_step {
	r = 0;
	do
	:: r < ROWS && c[r].st != FREE -> r++
	:: else -> break
	od }
}

/* A call that still has link l, else ROWS. */
inline find_busy(r, lnk)
{
	d_step {
	r = 0;
	do
	:: r < ROWS && (c[r].link != lnk || c[r].st < AMENDING ||
	    c[r].st > RELEASED || c[r].freed || c[r].cut) -> r++
	:: else -> break
	od }
}

inline deny(r)
{
	tell(DENY);
	refuse(c[r].no);
	drop(c[r].link, c[r].no);
	wipe(r)
}

/* CALL and AMEND: c[r] has number, link and digest; policy may say anything. */
inline judge(r)
{
	if
	:: deny(r)
	:: OURS(c[r].link) && !c[r].redacted ->
		tell(REDACT);
		refuse(c[r].no);
		drop(c[r].link, c[r].no);
		c[r].redacted = 1;
		c[r].digest = 0;
		c[r].st = AMENDING
	:: OURS(c[r].link) && ids < NOS ->
		c[r].id = ids;
		record = record | (c[r].digest << ids);
		new_i = new_i | BIT(ids);
		ids++;
		c[r].st = COMMITTING;
#ifdef EARLY_RELEASE
		release(r);
#endif
	fi
}

/* The row that a CALL is for, else ROWS. */
inline called(r, n, l)
{
	find(r, n);
	if
	:: r < ROWS ->
		if
		:: c[r].st == ADMITTED_
		:: else -> r = ROWS
		fi
	:: r == ROWS && !HIGHER(n) ->
		/* Its DENY crossed this; at most one waits. */
		if
		:: skip
		:: len(be) == 0 -> drop(l, n)
		fi
	:: r == ROWS && HIGHER(n) ->
		last = n;
		find_free(r);
		if
		:: r == ROWS ->
			tell(DENY);
			refuse(n);
			drop(l, n)
		:: else
		fi
	fi
}

/* CANCEL, deadline, revocation: what they have in common. */
inline stop(r, frees)
{
	if
	:: c[r].st == ADMITTED_ || c[r].st == AMENDING -> deny(r)
	:: c[r].st == COMMITTING ->
		refuse(c[r].no);
		c[r].dead = 1;
		c[r].freed = c[r].freed | frees
	:: c[r].st == WAITCRED ->
		refuse(c[r].no);
		drop(c[r].link, c[r].no);
		settle(r)
	:: c[r].st == RELEASED && !c[r].cut ->
		to_egress(EG_CUT, c[r].link, c[r].no, 0, 0);
		tell(CUT);
		c[r].cut = 1
	:: else
	fi
}

/* What happens to a call: CREDENTIAL is there after WAITCRED. */
#define CANCELLED	1
#define DEADLINE	2
#define REVOKED		3
#define CREDENTIAL	4

#define LIVE(r)	(c[r].st != FREE && c[r].st != CLOSING)

inline committed(r)
{
	if
	:: c[r].st == COMMITTING && HAS(away_i, c[r].id) && c[r].dead ->
		drop(c[r].link, c[r].no);
		tell(FAIL);
		settle(r)
	:: c[r].st == COMMITTING && HAS(away_i, c[r].id) && !c[r].dead ->
		if
		:: release(r)
		:: c[r].st = WAITCRED
		fi
	:: c[r].st == CLOSING && HAS(away_o, c[r].id) -> wipe(r)
	:: else
	fi
}

/* DONE or OUTCOME: `have` is its bit of the row. */
inline report(r, have)
{
	if
	:: c[r].st == RELEASED -> have = 1; c[r].st = SETTLING
	:: c[r].st == SETTLING && !have -> have = 1; settle(r)
#ifdef SETTLE_TWICE
	:: c[r].st == CLOSING -> settle(r)
#endif
	:: else
	fi
}

inline worker_lost(r)
{
	if
	:: c[r].st == RELEASED ->
		if
		:: !c[r].cut -> to_egress(EG_CUT, c[r].link, c[r].no, 0, 0)
		:: else
		fi;
		c[r].cut = 1;
		c[r].st = SETTLING
	:: c[r].st == SETTLING -> settle(r)
	:: else -> stop(r, 1)
	fi
}

inline egress_lost(r)
{
	if
	:: c[r].link == 0
	:: c[r].link != 0 && c[r].st == AMENDING -> deny(r)
	:: c[r].link != 0 && c[r].st == COMMITTING ->
		refuse(c[r].no);
		c[r].dead = 1
	:: c[r].link != 0 && c[r].st == WAITCRED ->
		refuse(c[r].no);
		settle(r)
	:: c[r].link != 0 && (c[r].st == RELEASED || c[r].st == SETTLING) ->
		settle(r)
	:: else
	fi
}

active proctype broker()
{
	byte	n, l, i, r;
	bit	g;

end:	do
	:: atomic { wb?ADMIT(n, _, _) ->
		find(r, n);
		if
		:: r < ROWS || !HIGHER(n)	/* "-" */
		:: r == ROWS && HIGHER(n) ->
			last = n;
			find_free(r);
			if
			:: tell(DENY); refuse(n)
			:: r < ROWS ->
				tell(ADMITTED);
				c[r].no = n;
				c[r].st = ADMITTED_
			fi
		fi;
		d_step { n = 0; r = 0 } }
	:: atomic {
		if
		:: wb?CALL(n, l, g) ->
			find_busy(r, l);
			if
			:: l != 0 && r < ROWS -> r = ROWS /* "-" */
			:: else -> called(r, n, l)
			fi
		:: wb?AMEND(n, l, g) ->
			find_busy(r, l);
			if
			:: l != 0 && r < ROWS && c[r].st == AMENDING &&
			    HIGHER(n) ->
				last = n
			:: else -> r = ROWS
			fi
		fi;
		if
		:: r < ROWS ->
			c[r].no = n;
			c[r].link = l;
			c[r].digest = g;
			judge(r)
		:: else
		fi;
		d_step { n = 0; l = 0; g = 0; r = 0 } }
	:: atomic { wb?OUTCOME(n, _, _) ->
		find(r, n);
		if
		:: r < ROWS -> report(r, c[r].told)
		:: else
		fi;
		d_step { n = 0; r = 0 } }
	:: atomic { eb?DONE(l, n, i) ->
		find(r, n);
		if
		:: r < ROWS && c[r].link == l && c[r].id == i ->
			report(r, c[r].done);
			c[r].cut = 0
		:: else
		fi;
		d_step { n = 0; l = 0; i = 0; r = 0 } }
	/* One batch is outstanding, the next forms. */
	:: atomic { !out && (new_i | new_o) != 0 ->
		batch = 1 - batch;
		away_i = new_i; away_o = new_o; new_i = 0; new_o = 0;
		out = 1;
		bl!BATCH(batch, away_i, away_o) }
	:: atomic { lb?COMMITTED(g) ->
		assert(out && g == batch);
		r = 0;
		do
		:: r < ROWS -> committed(r); r++
		:: else -> break
		od;
		out = 0; away_i = 0; away_o = 0;
		d_step { g = 0; r = 0 } }
	/* Another ledger: it gets the identical batch. */
	:: atomic { lb?HELLO(g) ->
		assert(out);
		bl!BATCH(batch, away_i, away_o);
		g = 0 }
	/* What may happen to one call at any time. */
	:: atomic {
		if
		:: wb?CANCEL(n, _, _) -> find(r, n); i = CANCELLED
		:: LIVE(0) -> r = 0; i = DEADLINE
		:: !calm && LIVE(0) -> r = 0; i = REVOKED
		:: c[0].st == WAITCRED -> r = 0; i = CREDENTIAL
#if ROWS > 1
		:: LIVE(1) -> r = 1; i = DEADLINE
		:: !calm && LIVE(1) -> r = 1; i = REVOKED
		:: c[1].st == WAITCRED -> r = 1; i = CREDENTIAL
#endif
		fi;
		if
		:: r == ROWS
		:: r < ROWS && i == CREDENTIAL -> release(r)
		:: r < ROWS && i == DEADLINE && c[r].st == RELEASED &&
		    c[r].cut ->
			settle(r)
		:: r < ROWS && i == DEADLINE && c[r].st == SETTLING ->
			if
			:: !c[r].done && !c[r].cut ->
				to_egress(EG_CUT, c[r].link, c[r].no, 0, 0)
			:: else
			fi;
			settle(r)
		:: else -> stop(r, (i != REVOKED))
		fi;
		d_step { n = 0; i = 0; r = 0 } }
	/* A failed credential is a deadline that came early. */
	:: atomic { FAULT && !wlost ->
		faults++;
		wlost = 1;
		r = 0;
		do
		:: r < ROWS -> worker_lost(r); r++
		:: else -> break
		od;
		r = 0 }
	/* What it said before it died is heard first. */
	:: atomic { edead && !elost && len(eb) == 0 ->
		elost = 1;
		r = 0;
		do
		:: r < ROWS -> egress_lost(r); r++
		:: else -> break
		od;
		r = 0 }
	/* Killed: egress and ledger may finish what they have. */
	:: atomic { FAULT -> faults++; gone = 1; break }
	od;

	/* The next broker: each intent without outcome is an orphan. */
	atomic {
		r = 0;
		do
		:: r < ROWS -> wipe(r); r++
		:: else -> break
		od;
		r = 0;
		new_i = 0; new_o = 0; away_i = 0; away_o = 0; out = 0
	};
	atomic { len(bl) == 0 ->
		do
		:: lb?_(_)
		:: empty(lb) -> break
		od;
		closed = closed | durable
	};
endgone: do
	:: atomic { eb?DONE(_, _, _) }
	od
}

/* ---- ledger ----------------------------------------------------------------- */
/*
 * As slow as it likes: BATCH waits in its queue, COMMITTED in the broker's.  It
 * may die before or after it wrote; the next one says HELLO.
 */
active proctype ledger()
{
	byte	i, o;
	bit	n, latest;

end:	do
	:: atomic { bl?BATCH(n, i, o) ->
		if
		:: !calm -> lb!HELLO(latest)	/* died before */
		:: true ->
#ifndef RESEND_WRITES
			if
			:: n == latest ->	/* the identical batch */
				assert((i & ~durable) == 0);
				assert((o & ~closed) == 0)
			:: else ->
#endif
				assert((i & durable) == 0 && (o & closed) == 0);
				durable = durable | i;
				closed = closed | o;
				assert((closed & ~durable) == 0);
				latest = n;
#ifndef RESEND_WRITES
			fi;
#endif
			if
			:: lb!COMMITTED(n)
			:: !calm -> lb!HELLO(latest)	/* died after */
			fi
		fi;
		d_step { n = 0; i = 0; o = 0 } }
	od
}

/* ---- egress ------------------------------------------------------------------ */
inline discard(k)
{
	d_step {
	e[k].offer = 0;
	e[k].whole = 0;
	e[k].body = 0;
	e[k].toss = e[k].open }
}

/* A call ends here, whatever the reason: the broker gets DONE. */
inline ends(k)
{
	d_step {
	assert(len(eb) < QUEUE);
	eb!DONE(k + 1, e[k].x, e[k].id);
	e[k].past = (e[k].x > e[k].past -> e[k].x : e[k].past);
	e[k].x = 0; e[k].digest = 0; e[k].id = 0; e[k].went = 0;
	if
	:: e[k].live ->
		e[k].offer = 0;
		e[k].whole = 0;
		e[k].body = 0;
		e[k].toss = e[k].open
	:: else
	fi;
	e[k].live = 0 }
}

/* Body and record are compared as soon as both are known. */
inline compare(k)
{
#ifndef NO_DIGEST
	if
	:: e[k].live && e[k].whole && e[k].body != e[k].digest -> ends(k)
	:: else
	fi
#else
	skip
#endif
}

/* RELEASE (m), or OPEN, found the other one. */
inline match(k)
{
	e[k].live = 1;
	compare(k)
}

inline on_open(k, n)
{
	if
	:: e[k].live || n <= e[k].no		/* bad frame */
	:: else ->
		if
		:: e[k].x != 0 && e[k].x < n -> ends(k)
		:: else
		fi;
		e[k].no = n;
		e[k].open = 1;
		e[k].toss = 0;
		e[k].whole = 0;
		e[k].body = 0;
		e[k].offer = 1;
		if
		:: n <= e[k].past || (e[k].x != 0 && e[k].x != n) -> discard(k)
		:: else ->
			if
			:: e[k].x != 0 -> match(k)
			:: else
			fi
		fi
	fi
}

inline on_end(k, b)
{
	if
	:: !e[k].open				/* bad frame */
	:: e[k].open && e[k].toss -> e[k].open = 0; e[k].toss = 0
	:: e[k].open && !e[k].toss ->
		e[k].open = 0;
		e[k].whole = 1;
		e[k].body = b;
		compare(k)
	fi
}

inline on_abort(k)
{
	if
	:: e[k].live -> ends(k)
	:: else
	fi;
	e[k].open = 0;
	discard(k)
}

inline on_release(k, n, g, i)
{
	if
	:: e[k].shut || e[k].x != 0 || n <= e[k].past || e[k].no > n ||
	    (e[k].no == n && !e[k].offer) ->
		assert(len(eb) < QUEUE);
		eb!DONE(k + 1, n, i);
		if
		:: !e[k].shut && n > e[k].past && e[k].x == 0 -> e[k].past = n
		:: else
		fi
	:: else ->
		e[k].x = n;
		e[k].digest = g;
		e[k].id = i;
		if
		:: e[k].offer && e[k].no != n -> discard(k)
		:: e[k].offer && e[k].no == n -> match(k)
		:: else
		fi
	fi
}

inline on_drop(k, n)
{
	if
	:: n > e[k].past -> e[k].past = n
	:: else
	fi;
	if
	:: e[k].offer && e[k].no <= n && !e[k].live -> discard(k)
	:: else
	fi
}

/* The last bytes leave: now a provider holds the whole request. */
inline tail(k)
{
#ifdef NEVER_SENT
	assert(false);
#endif
	e[k].went = 1;
	assert(HAS(durable, e[k].id));			/* R2 */
	assert(e[k].body == HAS(record, e[k].id));	/* R2 */
	assert(e[k].no == e[k].x);
	assert(!HAS(refused, e[k].no));			/* D */
	e[k].body = 0
}

inline close_lane(k)
{
	if
	:: e[k].x != 0 -> ends(k)
	:: else
	fi;
	d_step {
	e[k].no = 0; e[k].offer = 0; e[k].open = 0; e[k].whole = 0;
	e[k].body = 0; e[k].toss = 0; e[k].past = 0;
	e[k].shut = 1 }
}

active proctype egress()
{
	byte	l, n, i, k;
	bit	g;

end:	do
	:: atomic { wl?LF_OPEN(l, n, _) ->
		k = l - 1;
		if
		:: !e[k].shut -> on_open(k, n)
		:: else
		fi;
		d_step { l = 0; n = 0; k = 0 } }
	:: atomic { wl?LF_END(l, _, g) ->
		k = l - 1;
		if
		:: !e[k].shut -> on_end(k, g)
		:: else
		fi;
		d_step { l = 0; g = 0; k = 0 } }
	:: atomic { wl?LF_ABORT(l, _, _) ->
		k = l - 1;
		if
		:: !e[k].shut -> on_abort(k)
		:: else
		fi;
		d_step { l = 0; k = 0 } }
	:: atomic { be?RELEASE(l, n, g, i) ->
		k = l - 1;
		on_release(k, n, g, i);
		d_step { l = 0; n = 0; g = 0; i = 0; k = 0 } }
	:: atomic { be?DROP(l, n, _, _) ->
		k = l - 1;
		if
		:: !e[k].shut -> on_drop(k, n)
		:: else
		fi;
		d_step { l = 0; n = 0; k = 0 } }
	:: atomic { be?EG_CUT(l, n, _, _) ->
		k = l - 1;
		if
		:: e[k].x == n -> ends(k)
		:: else
		fi;
		d_step { l = 0; n = 0; k = 0 } }
	:: atomic {
		if
		:: e[0].live && e[0].whole && !e[0].went -> k = 0
		:: e[1].live && e[1].whole && !e[1].went -> k = 1
		fi;
		tail(k);
		k = 0 }
	/* An answer, a failure, a deadline of its own. */
	:: atomic {
		if
		:: e[0].x != 0 -> k = 0
		:: e[1].x != 0 -> k = 1
		fi;
		ends(k);
		k = 0 }
	/* The worker closes a link, by a bad frame too. */
	:: atomic { FAULT && !e[0].shut -> faults++; close_lane(0) }
	:: atomic { FAULT && !e[1].shut -> faults++; close_lane(1) }
	/* Dies: its links end, what the broker said is lost. */
	:: atomic { FAULT ->
		faults++;
		edead = 1;
		do
		:: be?_(_, _, _, _)
		:: empty(be) -> break
		od;
		k = 0;
		do
		:: k < LINKS ->
			e[k].x = 0; e[k].digest = 0; e[k].id = 0;
			e[k].live = 0; e[k].went = 0;
			close_lane(k);
			k++
		:: else -> break
		od;
		k = 0;
		break }
	od
}

/* ---- worker: hostile, remembers nothing, may say anything ------------------- */
/*
 * Digests: number n is called with n & 1, bodies are free.  Without loss: each
 * record meets both bodies, two records may have the same or not.  Number 1 is
 * called on link 1, as links have no names.  A send is the last step of its
 * atomic: what stands behind it would be a state of its own.
 */
#define SAYS(n)								\
	:: wb!ADMIT(n, 0, 0)						\
	:: wb!CANCEL(n, 0, 0)						\
	:: wb!OUTCOME(n, 0, 0)						\
	:: wb!CALL(n, 0, (n) & 1)					\
	:: wb!CALL(n, 1, (n) & 1)					\
	:: wb!AMEND(n, 0, (n) & 1)					\
	:: wb!AMEND(n, 1, (n) & 1)					\
	:: wb!AMEND(n, 2, (n) & 1)
#define OPENS(l)							\
	:: wl!LF_OPEN(l, 1, 0)						\
	:: wl!LF_OPEN(l, 2, 0)

#define MAY_OPEN(k)	(!edead && !e[k].shut && !e[k].live && e[k].no < NOS)
#define MAY_ABORT(k)	(e[k].open || e[k].live || e[k].offer)

active proctype worker()
{
	do
	:: atomic { !wlost && !gone ->
		if
		SAYS(1)
#ifdef REPEAT_NUMBER
		:: wb!CALL(1, 2, 1)
#endif
		SAYS(2)
		:: wb!CALL(2, 2, 0)
#if NOS > 2
		SAYS(3)
		:: wb!CALL(3, 2, 1)
#endif
		fi }
	/* Without the frames that the egress would refuse. */
	:: atomic { FRAME && MAY_OPEN(0) ->
		USE_FRAME;
		if
		OPENS(1)
#if NOS > 2
		:: wl!LF_OPEN(1, 3, 0)
#endif
		fi }
	:: atomic { FRAME && MAY_OPEN(1) ->
		USE_FRAME;
		if
		OPENS(2)
#if NOS > 2
		:: wl!LF_OPEN(2, 3, 0)
#endif
		fi }
	:: atomic { FRAME && e[0].open ->
		USE_FRAME;
		if
		:: wl!LF_END(1, 0, 0)
		:: wl!LF_END(1, 0, 1)
		fi }
	:: atomic { FRAME && e[1].open ->
		USE_FRAME;
		if
		:: wl!LF_END(2, 0, 0)
		:: wl!LF_END(2, 0, 1)
		fi }
	:: atomic { FRAME && MAY_ABORT(0) ->
		USE_FRAME;
		wl!LF_ABORT(1, 0, 0) }
	:: atomic { FRAME && MAY_ABORT(1) ->
		USE_FRAME;
		wl!LF_ABORT(2, 0, 0) }
	/* Enough: what is under way has to come to rest. */
	:: atomic { len(be) + len(eb) + len(bl) + len(lb) == 0 ->
		calm = 1;
		NO_FRAMES;
		break }
	od
}

/* ---- what must hold everywhere, and at rest --------------------------------- */
#define KEEPS(k)	(e[k].offer && HAS(shed[k], e[k].no))

active proctype monitor()
{
	do
	/* D: the broker said all it has to say, and the body is still there. */
	:: atomic { len(be) == 0 && (KEEPS(0) || KEEPS(1)) ->
		assert(!KEEPS(0) && !KEEPS(1)) }
	/* G4: nothing moves any more. */
	:: atomic { timeout ->
		assert(durable == closed);
		assert((new_i | new_o | away_i | away_o) == 0 && !out);
		assert(c[0].st == FREE);
#if ROWS > 1
		assert(c[1].st == FREE);
#endif
		assert(e[0].x == 0 && e[1].x == 0);
		break }
	od
}

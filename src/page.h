/*
 * page.h
 *	  What is on disk, and pure functions over it.
 *
 *	 block 0 .. first_block - 1		meta: the index's constants, the entry,
 *									and the centre vector; or, where codes are
 *									of sparse vectors, signposts behind it
 *	 block first_block ..			nodes: one array of equal slots; and among
 *									them pages of exact vectors (exact_page.h)
 *
 * A node's id is its slot's place in that array, so its address is arithmetic.
 * A page of exact vectors takes up the ids of the slots that would be there,
 * and no node ever has one of these.
 * Nothing here locks, pins, logs or raises errors.
 */
#ifndef VEGO_PAGE_H
#define VEGO_PAGE_H

#include "postgres.h"

#include "storage/bufpage.h"
#include "storage/itemptr.h"

#include "code.h"
#include "vego.h"

/* Of the format of pages; a library refuses all others. */
#define VEGO_FORMAT_VERSION 4
#define VEGO_META_MAGIC 0x7E604E57

/* Special area of every page; the last two bytes tell whose page it is. */
typedef struct VegoPageTail
{
	uint16		kind;
	uint16		unused;
	uint16		format;
	uint16		page_id;
} VegoPageTail;

#define VEGO_PAGE_META 1
#define VEGO_PAGE_NODES 2
#define VEGO_PAGE_EXACT 3
#define VEGO_PAGE_SIGNPOSTS 4
#define VEGO_PAGE_ID 0xFE60		/* for pg_filedump and its like */

StaticAssertDecl(sizeof(VegoPageTail) == MAXALIGN(sizeof(VegoPageTail)),
				 "special area must be aligned");

/* Does the index keep the vectors themselves, and how? */
typedef enum VegoExactMode
{
	VEGO_EXACT_OFF,
	VEGO_EXACT_PLAIN,			/* as they are */
	VEGO_EXACT_ZSTD				/* compressed where that is smaller */
} VegoExactMode;

/* Limits of what can be kept: bytes of an element and of a vector. */
#define VEGO_EXACT_MAX_PLANES 8
#define VEGO_EXACT_MAX_BYTES (1024 * 1024)

/* Where an item of a page of exact vectors is; nowhere when all zero. */
typedef struct VegoExactPlace
{
	BlockNumber block;
	uint16		item;			/* from 1 */
	uint16		unused;
} VegoExactPlace;

StaticAssertDecl(sizeof(VegoExactPlace) == 8, "no padding on disk");

static inline bool
vego_exact_place_is_set(VegoExactPlace place)
{
	return place.item != 0;
}

static inline bool
vego_exact_place_equals(VegoExactPlace a, VegoExactPlace b)
{
	return a.block == b.block && a.item == b.item;
}

/*
 * On block 0.  All but the entry and the radius are written once, by the build.
 * The centre follows, vego_centre_dims floats, continued on the next meta pages.
 */
typedef struct VegoMeta
{
	uint32		magic;
	uint32		format;
	uint64		stamp;			/* of this build: a cache's proof of identity */
	uint16		metric;
	uint16		bits;
	uint32		dims;
	uint16		m;
	uint16		has_centre;
	uint32		entry;			/* or VEGO_NO_NODE in an empty index */
	uint32		entry_level;
	uint16		exact;			/* a VegoExactMode; the rest is 0 when off */
	uint16		element_bytes;	/* of a vector, exact */
	double		radius;			/* of the lift, see metric.h */
	uint32		value_bytes;	/* the most an exact vector takes */
	uint32		stored_bytes;	/* what the build's took on a page, on average */
	VegoExactPlace dictionary;	/* for zstd, if there is one */
} VegoMeta;

StaticAssertDecl(sizeof(VegoMeta) == 64, "no padding on disk");

/* Kinds of slots.  Zero is free, so that a new, all-zero page is valid. */
#define VEGO_SLOT_FREE 0
#define VEGO_SLOT_LIVE 1
#define VEGO_SLOT_DEAD 2		/* its row is gone, its links still serve */

/*
 * A slot: this head, then
 *	 factors	VegoFactors
 *	 code		code_bytes, padded with 0 to 4
 *	 exact		VegoExactPlace, where the index keeps vectors; set in a live
 *				slot of level 0
 *	 links		capacity x VegoLink; those from degree on are 0
 *
 * What a score needs lies together at the front.
 */
typedef struct VegoSlot
{
	uint8		kind;
	uint8		level;
	uint8		degree;
	uint8		unused;

	/*
	 * On level 0 the heap TID, invalid in a dead slot; above, the id of the
	 * same node's slot one level down, in the first four bytes.
	 */
	ItemPointerData tid;
	uint16		check;			/* vego_slot_check; 0 in a free slot */
} VegoSlot;

StaticAssertDecl(sizeof(VegoSlot) == 12, "no padding on disk");

/*
 * Sixteen bits by which a slot is known for that of this id in this index, by
 * whoever looks at memory that may be anything.
 */
static inline uint16
vego_slot_check(uint64 stamp, VegoNodeId id)
{
	return (uint16) (((uint32) stamp ^ (id * 0x9E3779B1)) >> 16);
}

/* Everything that address arithmetic needs; derived from the meta page. */
typedef struct VegoGeometry
{
	int			capacity;		/* links a slot has room for: 2 m */
	int			code_bytes;
	int			code_offset;
	int			code_end;		/* its padding included */
	int			exact_offset;	/* 0 where the index keeps no vectors */
	int			links_offset;
	int			slot_bytes;
	int			per_page;
	uint64		inverse;		/* of per_page, times 2^shift: see below */
	int			shift;
	int			signposts;		/* of codes of sparse vectors, else 0 ... */
	BlockNumber signpost_block; /* ... from here on */
	BlockNumber first_block;
} VegoGeometry;

/* Bytes of a page that slots may take. */
#define VEGO_PAGE_ROOM \
	(BLCKSZ - SizeOfPageHeaderData - sizeof(VegoPageTail))

StaticAssertDecl(SizeOfPageHeaderData == MAXALIGN(SizeOfPageHeaderData),
				 "slots begin right behind the page header");

static inline int
vego_slot_bytes(int dims, int bits, int m, VegoExactMode exact)
{
	return sizeof(VegoSlot) + sizeof(VegoFactors) +
		TYPEALIGN(4, vego_code_bytes(dims, bits)) +
		2 * m * sizeof(VegoLink) +
		(exact == VEGO_EXACT_OFF ? 0 : sizeof(VegoExactPlace));
}

/* per_page is 0 when a slot does not fit a page. */
extern void vego_geometry_init(VegoGeometry *geometry, int dims, int bits,
							   int m, VegoExactMode exact);

/*
 * id / per_page, by multiplying: a search does it for every node it meets.
 * The product is too large by less than id, and so, an id being below 2^31 and
 * 2^shift at least 2^31 * per_page, the quotient by less than 1 / per_page.
 */
static inline uint32
vego_node_page(const VegoGeometry *geometry, VegoNodeId id)
{
	return (uint32) ((id * geometry->inverse) >> geometry->shift);
}

static inline BlockNumber
vego_node_block(const VegoGeometry *geometry, VegoNodeId id)
{
	return geometry->first_block + vego_node_page(geometry, id);
}

static inline int
vego_node_slot(const VegoGeometry *geometry, VegoNodeId id)
{
	return id - vego_node_page(geometry, id) * geometry->per_page;
}

static inline VegoNodeId
vego_node_id(const VegoGeometry *geometry, BlockNumber block, int slot)
{
	return (block - geometry->first_block) * geometry->per_page + slot;
}

/* Slots in a relation of so many blocks. */
static inline uint32
vego_node_count(const VegoGeometry *geometry, BlockNumber blocks)
{
	if (blocks <= geometry->first_block)
		return 0;
	return (uint32) Min((uint64) (blocks - geometry->first_block) *
						geometry->per_page, (uint64) VEGO_NO_NODE);
}

static inline VegoSlot *
vego_page_slot(const VegoGeometry *geometry, Page page, int slot)
{
	return (VegoSlot *) ((char *) page + SizeOfPageHeaderData +
						 slot * geometry->slot_bytes);
}

static inline VegoFactors *
vego_slot_factors(const VegoGeometry *geometry, const VegoSlot *slot)
{
	return (VegoFactors *) ((char *) slot + sizeof(VegoSlot));
}

static inline uint8 *
vego_slot_code(const VegoGeometry *geometry, const VegoSlot *slot)
{
	return (uint8 *) slot + geometry->code_offset;
}

static inline VegoLink *
vego_slot_links(const VegoGeometry *geometry, const VegoSlot *slot)
{
	return (VegoLink *) ((char *) slot + geometry->links_offset);
}

/* The same node one level down; only for slots above level 0. */
static inline VegoNodeId
vego_slot_down(const VegoSlot *slot)
{
	VegoNodeId	down;

	memcpy(&down, &slot->tid, sizeof(down));
	return down;
}

static inline void
vego_slot_set_down(VegoSlot *slot, VegoNodeId down)
{
	memset(&slot->tid, 0, sizeof(slot->tid));
	memcpy(&slot->tid, &down, sizeof(down));
}

/* Slots are aligned to 4 bytes, which is what a place needs. */
static inline VegoExactPlace
vego_slot_exact(const VegoGeometry *geometry, const VegoSlot *slot)
{
	VegoExactPlace none = {0};

	return geometry->exact_offset == 0 ? none :
		*(const VegoExactPlace *) ((const char *) slot +
								   geometry->exact_offset);
}

static inline void
vego_slot_set_exact(const VegoGeometry *geometry, VegoSlot *slot,
					VegoExactPlace place)
{
	if (geometry->exact_offset > 0)
		*(VegoExactPlace *) ((char *) slot + geometry->exact_offset) = place;
}

/* Same kind, level and TID: the node that was seen before, not its successor. */
static inline bool
vego_slot_is_same(const VegoSlot *a, const VegoSlot *b)
{
	return a->kind == b->kind && a->level == b->level &&
		memcmp(&a->tid, &b->tid, sizeof(a->tid)) == 0;
}

static inline VegoPageTail *
vego_page_tail(Page page)
{
	return (VegoPageTail *) ((char *) page + BLCKSZ - sizeof(VegoPageTail));
}

extern void vego_page_init(Page page, int kind);

/*
 * What is wrong with a page that should be of this kind, or NULL.  A new page
 * (all zero, as a crash leaves one) is not a fault of a node page: its slots
 * are free.
 */
extern const char *vego_page_fault(Page page, int kind);

/* A page that is not new and says so; whether it is sound is another matter. */
static inline bool
vego_page_is_exact(Page page)
{
	return !PageIsNew(page) &&
		((PageHeader) page)->pd_special == BLCKSZ - sizeof(VegoPageTail) &&
		vego_page_tail(page)->page_id == VEGO_PAGE_ID &&
		vego_page_tail(page)->kind == VEGO_PAGE_EXACT;
}

/* What is wrong with a slot's head, or NULL. */
extern const char *vego_slot_fault(const VegoGeometry *geometry,
								   const VegoSlot *slot);

/* What is wrong with a meta page's constants, or NULL. */
extern const char *vego_meta_fault(const VegoMeta *meta);

static inline VegoMeta *
vego_page_meta(Page page)
{
	return (VegoMeta *) ((char *) page + SizeOfPageHeaderData);
}

/*
 * Where the centre's floats lie on meta page `block`: offset of the first
 * within the page, index of the first, and how many.
 */
typedef struct VegoCentrePart
{
	int			offset;
	int			first;
	int			count;
} VegoCentrePart;

extern VegoCentrePart vego_centre_part(int dims, BlockNumber block);

/*
 * Signposts are ids of nodes, or VEGO_NO_NODE, one behind the other on pages of
 * their own.
 */
#define VEGO_SIGNPOSTS_A_PAGE (VEGO_PAGE_ROOM / sizeof(VegoNodeId))

static inline BlockNumber
vego_signpost_block(const VegoGeometry *geometry, uint32 signpost)
{
	return geometry->signpost_block + signpost / VEGO_SIGNPOSTS_A_PAGE;
}

static inline VegoNodeId *
vego_page_signpost(Page page, uint32 signpost)
{
	return (VegoNodeId *) ((char *) page + SizeOfPageHeaderData) +
		signpost % VEGO_SIGNPOSTS_A_PAGE;
}

/* How many there are on a page of them, and which one is the first. */
static inline int
vego_signposts_on_page(const VegoGeometry *geometry, BlockNumber block,
					   uint32 *first)
{
	*first = (block - geometry->signpost_block) * VEGO_SIGNPOSTS_A_PAGE;
	return Min(geometry->signposts - *first, VEGO_SIGNPOSTS_A_PAGE);
}

#endif							/* VEGO_PAGE_H */

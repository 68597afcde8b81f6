// node-postgres with the package pgvector, used as the README of that package
// says.  Only the names of the extension and of the access method differ.
import assert from 'node:assert/strict';
import pg from 'pg';
import { SparseVector } from 'pgvector';
import pgvector from 'pgvector/pg';
import { answersByIndex, check } from './checks.mjs';

const client = new pg.Client();

async function query(text, values) {
	return (await client.query(text, values)).rows;
}

// The wire forms, written here by hand.  Halves are given as their bits.
function vectorToWire(elements) {
	const wire = Buffer.alloc(4 + 4 * elements.length);

	wire.writeInt16BE(elements.length, 0);
	elements.forEach((x, i) => wire.writeFloatBE(x, 4 + 4 * i));
	return wire;
}

function halfvecToWire(bits) {
	const wire = Buffer.alloc(4 + 2 * bits.length);

	wire.writeInt16BE(bits.length, 0);
	bits.forEach((x, i) => wire.writeUInt16BE(x, 4 + 2 * i));
	return wire;
}

function sparsevecToWire({ dimensions, indices, values }) {
	const wire = Buffer.alloc(12 + 8 * indices.length);

	wire.writeInt32BE(dimensions, 0);
	wire.writeInt32BE(indices.length, 4);
	indices.forEach((x, i) => wire.writeInt32BE(x, 12 + 4 * i));
	values.forEach((x, i) =>
		wire.writeFloatBE(x, 12 + 4 * indices.length + 4 * i));
	return wire;
}

// A Buffer goes to the server in binary form.
async function throughWire(type, sent) {
	const [{ text, wire }] = await query(`SELECT x::text AS text,
		${type}_send(x) AS wire FROM (SELECT $1::${type}) AS q (x)`, [sent]);

	assert.deepEqual(wire, sent);
	return text;
}

await client.connect();

await check('extension and types', async () => {
	await query('CREATE EXTENSION IF NOT EXISTS vego');
	await pgvector.registerTypes(client);
	await query(`CREATE TABLE items (id bigserial PRIMARY KEY,
		embedding vector(3), half halfvec(3), sparse sparsevec(3), bits bit(3),
		many vector(3)[], sparses sparsevec[])`);
});

await check('text', async () => {
	const rows = [
		[[1, 2, 3], [4, 5, 6], new SparseVector([7, 0, 9]), '101'],
		[[0.1, -1e-42, 3.4028235e38].map(Math.fround), [0.5, -65504, 6e-8],
			new SparseVector(new Map([[2, -1.5e-7]]), 3), '000'],
		[null, null, null, null]
	];

	for (const [embedding, half, sparse, bits] of rows) {
		await query(`INSERT INTO items (embedding, half, sparse, bits)
			VALUES ($1, $2, $3, $4)`,
			[embedding, half, sparse].map(pgvector.toSql).concat(bits));
	}
	const stored = await query('SELECT * FROM items ORDER BY id');

	assert.equal(stored.length, rows.length);
	stored.forEach((row, i) => {
		const [embedding, half, sparse, bits] = rows[i];

		assert.deepEqual(row.embedding?.map(Math.fround) ?? null, embedding);
		assert.deepEqual(row.half, half);
		assert.deepEqual(row.sparse?.toArray(), sparse?.toArray());
		assert.equal(row.bits, bits);
	});
});

await check('arrays', async () => {
	const vectors = [[1, 2, 3], [4.5, 5, 6]];
	const sparses = [new SparseVector([0, 1]), new SparseVector([2, 0, 3])];
	const arrayOf = (parse) =>
		(text) => pg.types.arrayParser.create(text, parse).parse();
	const [{ v, s }] = await query(`SELECT '_vector'::regtype::oid::int AS v,
		'_sparsevec'::regtype::oid::int AS s`);

	client.setTypeParser(v, arrayOf(JSON.parse));
	client.setTypeParser(s, arrayOf((text) => new SparseVector(text)));
	const [row] = await query(`INSERT INTO items (many, sparses) VALUES ($1, $2)
		RETURNING many, sparses, $1::vector[] = many AS same`,
		[vectors.map(pgvector.toSql), sparses.map(pgvector.toSql)]);

	assert.equal(row.same, true);
	assert.deepEqual(row.many, vectors);
	assert.deepEqual(row.sparses.map(String), sparses.map(String));
	assert.deepEqual(
		await query(`SELECT id FROM unnest($1::vector[]) WITH ORDINALITY AS q (v, id)
			ORDER BY v <-> $2`, [vectors.map(pgvector.toSql), '[4,5,6]']),
		[{ id: '2' }, { id: '1' }]);
});

await check('binary', async () => {
	assert.equal(
		await throughWire('vector', vectorToWire([1, -2.5, 3e38, -0, 1e-42])),
		'[1,-2.5,3e+38,-0,1e-42]');
	assert.equal(
		await throughWire('halfvec', halfvecToWire([0x3c00, 0xfbff, 0x0001])),
		'[1,-65504,6e-08]');
	assert.equal(
		await throughWire('sparsevec', sparsevecToWire({ dimensions: 1000000000,
			indices: [0, 7, 999999999], values: [1, -0.5, 2] })),
		'{1:1,8:-0.5,1000000000:2}/1000000000');

	await assert.rejects(throughWire('vector', vectorToWire([1, NaN])),
		{ code: '22000', message: /NaN/ });
	await assert.rejects(throughWire('vector', vectorToWire([1, 2]).subarray(0, 8)),
		{ code: '22P03', message: /vector/ });

	// this client reads what it gets as UTF-8, so these values' bytes are ASCII
	const sent = [vectorToWire([2, 0.5, 8]), halfvecToWire([0x4000, 0x3800]),
		sparsevecToWire({ dimensions: 100, indices: [1, 64], values: [2, 32] })];
	const { rows: [row], fields } = await client.query({
		text: 'SELECT $1::vector AS v, $2::halfvec AS h, $3::sparsevec AS s',
		values: sent,
		types: { getTypeParser: () => (value) => value },
		binary: true
	});

	assert.deepEqual(fields.map(({ format }) => format),
		['binary', 'binary', 'binary']);
	assert.deepEqual(Object.values(row), sent);
});

await check('nearest neighbours by index', async () => {
	await query('TRUNCATE items RESTART IDENTITY');
	await query(`INSERT INTO items (embedding, half, sparse, bits)
		SELECT v, v, v::vector, (i % 8)::bit(3)
		FROM generate_series(1, 500) i,
			LATERAL (SELECT ARRAY[sin(i), cos(i * 3), sin(i * 7)]::vector) q (v)`);
	for (const [column, type] of [['embedding', 'vector'], ['half', 'halfvec'],
		['sparse', 'sparsevec']]) {
		const q = type === 'sparsevec' ?
			new SparseVector([0.5, 0, 0.25]) : [0.5, 0.1, 0.25];

		for (const [operator, name] of [['<->', 'l2'], ['<#>', 'ip'],
			['<=>', 'cosine'], ['<+>', 'l1']]) {
			await query(`CREATE INDEX by_${name} ON items
				USING vego_hnsw (${column} ${type}_${name}_ops)`);
			await answersByIndex(query, `by_${name}`,
				`SELECT id, ${column} ${operator} $1 AS distance FROM items
				ORDER BY ${column} ${operator} $1 LIMIT 5`, [pgvector.toSql(q)]);
			await query(`DROP INDEX by_${name}`);
		}
	}
	for (const [operator, name] of [['<~>', 'hamming'], ['<%>', 'jaccard']]) {
		await query(`CREATE INDEX by_${name} ON items
			USING vego_hnsw (bits bit_${name}_ops)`);
		await answersByIndex(query, `by_${name}`,
			`SELECT bits ${operator} $1 AS distance FROM items
			ORDER BY bits ${operator} $1 LIMIT 100`, ['110']);
		await query(`DROP INDEX by_${name}`);
	}
});

await check('prepared statements', async () => {
	await query('CREATE INDEX items_embedding_idx ON items USING vego_hnsw (embedding vector_l2_ops)');
	await query('SET enable_seqscan = off');
	// more often than it takes to get a generic plan
	for (let i = 1; i <= 12; i++) {
		const { rows } = await client.query({
			name: 'nearest',
			text: `SELECT embedding FROM items
				ORDER BY embedding <-> (SELECT embedding FROM items WHERE id = $1)
				LIMIT 3`,
			values: [i]
		});
		const [{ embedding }] = await query(
			'SELECT embedding FROM items WHERE id = $1', [i]);

		assert.equal(rows.length, 3);
		assert.deepEqual(rows[0].embedding, embedding);
	}
	assert.match(JSON.stringify(await query('EXPLAIN EXECUTE nearest (7)')),
		/Index Scan using items_embedding_idx/);
	await query('RESET enable_seqscan');
});

await check('errors', async () => {
	await assert.rejects(
		query('INSERT INTO items (embedding) VALUES ($1)', ['[1,2]']),
		{ code: '22000', message: 'expected 3 dimensions, not 2' });
	await assert.rejects(
		query('INSERT INTO items (embedding) VALUES ($1)', ['[1,2,x]']),
		{ code: '22P02', message: /type vector/ });
	assert.deepEqual(await query('SELECT 1 AS one'), [{ one: 1 }]);
});

await check('a pool', async () => {
	const pool = new pg.Pool({ max: 4 });

	pool.on('connect', (one) => pgvector.registerTypes(one));
	// a connection hands out its first rows only after types are registered
	const answers = await Promise.all(Array.from({ length: 20 }, async (_, i) => {
		const one = await pool.connect();

		try {
			await one.query(`INSERT INTO items (embedding) VALUES ($1)`,
				[pgvector.toSql([i, i, 100])]);
			return (await one.query(`SELECT embedding FROM items
				ORDER BY embedding <-> $1 LIMIT 1`,
				[pgvector.toSql([i, i, 100])])).rows;
		} finally {
			one.release();
		}
	}));

	await pool.end();
	assert.deepEqual(answers,
		answers.map((_, i) => [{ embedding: [i, i, 100] }]));
});

await client.end();

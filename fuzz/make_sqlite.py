#!/usr/bin/python3
"""make_sqlite.py FOLDER: the seeds of fuzz_compare_sqlite, small databases by SQLite itself."""
import os
import sqlite3
import struct
import sys
import tempfile

T = ['CREATE TABLE t(x, y)', "INSERT INTO t VALUES (1, 'one'), (2, NULL), (3, 2.5)"]
MANY = ['CREATE TABLE t(x, y)'] + ["INSERT INTO t VALUES (%d, 'number')" % i for i in range(60)]
KEYS = ['CREATE TABLE w(k PRIMARY KEY, v) WITHOUT ROWID'] + [
    "INSERT INTO w VALUES ('key %d', %d)" % (i * 7 % 40, i) for i in range(40)]
INDEX = T + ['CREATE INDEX i ON t(y)']
LARGE = T + ['INSERT INTO t VALUES (4, zeroblob(1500))']
GONE = ['CREATE TABLE gone(x)', 'INSERT INTO gone VALUES (zeroblob(1500))'] + T + [
    'DROP TABLE gone']


def database(statements, *pragmas):
    with tempfile.TemporaryDirectory() as d:
        name = os.path.join(d, 'db')
        c = sqlite3.connect(name, isolation_level=None)
        c.execute('PRAGMA page_size=512')
        for p in pragmas:
            c.execute('PRAGMA ' + p)
        for s in statements:
            c.execute(s)
        c.close()
        with open(name, 'rb') as f:
            return f.read()


def seed(name, a, b):
    with open(os.path.join(sys.argv[1], name), 'wb') as f:
        f.write(struct.pack('>I', len(a)) + a + b)


seed('rows', database(T), database(T + ['UPDATE t SET y = 7 WHERE x = 2']))
seed('inner', database(MANY), database(MANY + ['DELETE FROM t WHERE x = 30']))
seed('keys', database(KEYS), database(KEYS + ["UPDATE w SET v = 'v' WHERE k = 'key 9'"]))
seed('index', database(INDEX), database(INDEX + ['UPDATE t SET y = 7 WHERE x = 2']))
seed('large', database(LARGE), database(LARGE + ["UPDATE t SET y = y || '1' WHERE x = 4"]))
seed('free', database(GONE, 'secure_delete=ON'), database(T))
seed('left', database(GONE, 'secure_delete=OFF'), database(T))
seed('maps', database(GONE, 'auto_vacuum=2'), database(LARGE, 'auto_vacuum=2'))
seed('schema', database(T), database(INDEX + ['CREATE VIEW v AS SELECT x FROM t']))
seed('user', database(T), database(T, 'user_version=5'))

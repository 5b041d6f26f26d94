"""Write the database schema as text: tables, constraints, indexes, triggers and functions."""

from collections.abc import Iterator

from django.db import connection

TABLES = """
SELECT c.oid, concat_ws(' ', 'TABLE', c.relname, 'PARTITION BY ' || pg_get_partkeydef(c.oid))
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND NOT c.relispartition ORDER BY c.relname
"""
COLUMNS = """
SELECT format('  %%s %%s%%s%%s%%s%%s', a.attname, format_type(a.atttypid, a.atttypmod),
              CASE WHEN l.collname <> 'default' THEN format(' COLLATE %%I', l.collname) END,
              CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END,
              ' DEFAULT ' || pg_get_expr(d.adbin, d.adrelid),
              CASE a.attidentity WHEN 'd' THEN ' IDENTITY' WHEN 'a' THEN ' IDENTITY ALWAYS' END)
FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
LEFT JOIN pg_collation l ON l.oid = a.attcollation
WHERE a.attrelid = %s AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attname
"""
CONSTRAINTS = """
SELECT format('  CONSTRAINT %%s %%s', conname, pg_get_constraintdef(oid)) FROM pg_constraint
WHERE conrelid = %s AND contype <> 'n' ORDER BY 1
"""
INDEXES = """
SELECT '  ' || pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = %s ORDER BY 1
"""
TRIGGERS = """
SELECT '  ' || pg_get_triggerdef(oid) FROM pg_trigger WHERE tgrelid = %s AND NOT tgisinternal
ORDER BY 1
"""
FUNCTIONS = """
SELECT pg_get_functiondef(p.oid) FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname = 'public' AND p.prokind = 'f'
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')
ORDER BY p.proname
"""


def document() -> str:
    """Every table with its constraints, indexes and triggers; monthly partitions are left out."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    with connection.cursor() as cursor:
        cursor.execute(TABLES)
        for oid, heading in cursor.fetchall():
            yield heading
            for query in (COLUMNS, CONSTRAINTS, INDEXES, TRIGGERS):
                cursor.execute(query, [oid])
                yield from (row[0] for row in cursor.fetchall())
        cursor.execute(FUNCTIONS)
        yield from (row[0].rstrip() for row in cursor.fetchall())

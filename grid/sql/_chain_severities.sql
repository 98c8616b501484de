-- Distinct problems of each chain by their worst severity, and apart from them those suppressed wherever they occur.
WITH worst AS (
  SELECT sweep_id, ck, vuln_id, count(*) FILTER (suppressed IS NULL) AS n, bool_or(kev) AS kev,
         bool_or(from_base AND suppressed IS NULL) AS base,
         bool_or(fixed_version IS NOT NULL AND suppressed IS NULL) AS fixable, max(risk) AS risk,
         min(CASE WHEN suppressed IS NOT NULL THEN 7 WHEN severity = 'critical' THEN 1 WHEN severity = 'high' THEN 2
                  WHEN severity = 'medium' THEN 3 WHEN severity = 'low' THEN 4 WHEN severity = 'negligible' THEN 5
                  ELSE 6 END) AS rank
  FROM {_chain_findings} GROUP BY sweep_id, ck, vuln_id
)
SELECT sweep_id, ck, count(*) FILTER (rank < 7) AS vulnerabilities, count(*) FILTER (rank = 1) AS critical,
       count(*) FILTER (rank = 2) AS high, count(*) FILTER (rank = 3) AS medium, count(*) FILTER (rank = 4) AS low,
       count(*) FILTER (rank = 5) AS negligible, count(*) FILTER (rank = 6) AS unknown,
       count(*) FILTER (fixable) AS fixable, count(*) FILTER (kev AND rank < 7) AS kev, count(*) FILTER (base) AS base,
       sum(n)::BIGINT AS findings, count(*) FILTER (rank = 7) AS suppressed, max(risk) FILTER (rank < 7) AS risk,
       sum(risk) FILTER (rank < 7) AS risk_total
FROM worst GROUP BY sweep_id, ck

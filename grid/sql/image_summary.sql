-- A row per image that the sweep accounts for, failed ones too. Counts of vulnerabilities are of distinct ids in what is
-- installed, each by its worst severity, without those suppressed; null where nothing is known: not scanned, or the sweep
-- not matched yet.
-- like: images, chains
-- vulnerabilities: distinct ids
-- critical: of them
-- high: of them
-- medium: of them
-- low: of them
-- negligible: of them
-- unknown: of them, with no severity
-- fixable: of them, with a fixed version
-- kev: of them, in CISA's list of exploited vulnerabilities
-- vulnerabilities_base: of them, in packages that the base image brought; null where the base is unknown
-- findings: rows in `vulnerabilities` that nothing suppresses
-- suppressed: distinct ids all of whose findings are suppressed; no other count has them
-- risk: the highest of its findings
-- risk_total: the sum over distinct ids
-- packages: visible packages
-- declared: packages that visible lock files ask for; null where the sweep did not read them
-- vulnerabilities_declared: distinct ids that only what lock files ask for has; no other count has them; null where the sweep
--   did not read them
-- secrets: in any layer, without those suppressed
-- secrets_hidden: of them, in files that a later layer hides
-- secrets_suppressed: by waivers and ignore files; no other count has them
-- malware: in any layer
-- misconfigurations: failed checks
-- notes: rows in `image_notes`
-- coverage: from 0 to 1: share of layers read, less one hundredth for each note, times the share of its packages that the
--   database could judge (all but OS packages of a distribution that is unknown or that it has no advisories for, those of
--   other publishers, those of SBOMs and other roots, and packages of other kinds that it has none for); null if not scanned
-- distro_support: whether the distribution's release gets security updates: `supported`, `extended` (long-term or paid
--   ones only), `ended` or `unknown`; null where there is no distribution, or nothing was matched
-- distro_eol: YYYY-MM-DD: the end of its regular security updates; null if not known
-- distro_extended_eol: YYYY-MM-DD: the end of its long-term or paid ones; null if there are none
-- base_digest: the base image's manifest or index: as labelled, else of that image
-- base_name: what the builder called the base image
-- os_namespace: whose advisories the OS packages are matched with
-- os_matched: whether the database has advisories for that distribution: if false, no finding does not mean clean; null
--   where there is no distribution, or nothing was matched
WITH {shared:image_chains,_squashes,_tops,_chains,_statements,_profiles,_chain_profiles,_origins,_told_twice,_chain_visible,_chain_counts,_chain_states,_found,_verdicts,_chain_severities}
labels AS (
  SELECT digest, max(base_name) AS base_name, max(base_digest) AS base_digest FROM {raw.manifests}
  WHERE base_name IS NOT NULL OR base_digest IS NOT NULL GROUP BY digest
)
SELECT {sweep} i.registry, i.repository, i.tag, i.digest, i.os, i.arch, i.created, i.size_bytes, i.layer_count,
       c.distro_id, c.distro_version, c.distro_name, i.status, i.error_code, i.error_message,
       CASE WHEN c.ck IS NULL THEN i.coverage
            ELSE greatest(0, i.coverage - len(c.doubts) / 100) * c.judged END AS coverage,
       CASE WHEN c.match_id IS NOT NULL THEN coalesce(f.vulnerabilities, 0) END AS vulnerabilities,
       CASE WHEN c.match_id IS NOT NULL THEN coalesce(f.critical, 0) END AS critical,
       CASE WHEN c.match_id IS NOT NULL THEN coalesce(f.high, 0) END AS high,
       CASE WHEN c.match_id IS NOT NULL THEN coalesce(f.medium, 0) END AS medium,
       CASE WHEN c.match_id IS NOT NULL THEN coalesce(f.low, 0) END AS low,
       CASE WHEN c.match_id IS NOT NULL THEN coalesce(f.negligible, 0) END AS negligible,
       CASE WHEN c.match_id IS NOT NULL THEN coalesce(f.unknown, 0) END AS unknown,
       CASE WHEN c.match_id IS NOT NULL THEN coalesce(f.fixable, 0) END AS fixable,
       CASE WHEN c.match_id IS NOT NULL THEN coalesce(f.kev, 0) END AS kev,
       CASE WHEN c.match_id IS NOT NULL THEN coalesce(f.findings, 0) END AS findings,
       CASE WHEN c.match_id IS NOT NULL THEN coalesce(f.suppressed, 0) END AS suppressed,
       CASE WHEN c.match_id IS NOT NULL THEN coalesce(f.risk, 0) END AS risk,
       CASE WHEN c.match_id IS NOT NULL THEN coalesce(round(f.risk_total, 2), 0) END AS risk_total,
       CASE WHEN c.ck IS NOT NULL THEN coalesce(c.packages, 0) END AS packages,
       CASE WHEN c.ck IS NOT NULL AND i.sweep_id IN (SELECT sweep_id FROM sweeps WHERE lockfiles)
            THEN coalesce(c.declared, 0) END AS declared,
       CASE WHEN c.ck IS NOT NULL THEN coalesce(c.secrets, 0) - coalesce(w.secrets, 0) END AS secrets,
       CASE WHEN c.ck IS NOT NULL THEN coalesce(c.secrets_hidden, 0) - coalesce(w.hidden, 0) END AS secrets_hidden,
       CASE WHEN c.ck IS NOT NULL THEN coalesce(c.malware, 0) END AS malware,
       CASE WHEN i.digest IS NOT NULL THEN coalesce(k.misconfigurations, 0) END AS misconfigurations,
       CASE WHEN c.ck IS NOT NULL THEN coalesce(c.notes, 0) + len(c.doubts) END AS notes,
       c.os_namespace, c.os_matched, c.support AS distro_support, c.eol AS distro_eol,
       c.extended_eol AS distro_extended_eol,
       i.scanned_at, c.base_layers, c.base_evidence, coalesce(h.base_digest, c.base_digest) AS base_digest, h.base_name,
       CASE WHEN c.match_id IS NOT NULL AND c.base_layers IS NOT NULL THEN coalesce(f.base, 0) END AS vulnerabilities_base,
       CASE WHEN c.ck IS NOT NULL THEN coalesce(w.secrets, 0) END AS secrets_suppressed,
       CASE WHEN c.match_id IS NOT NULL AND i.sweep_id IN (SELECT sweep_id FROM sweeps WHERE lockfiles)
            THEN coalesce(f.declared, 0) END AS vulnerabilities_declared
FROM {images} i
LEFT JOIN {image_chains} t ON t.digest = i.digest
LEFT JOIN {_chain_states} c ON c.ck = {key:t.chain_id} AND {same:c}
LEFT JOIN {_profiles} p ON p.digest = i.digest AND p.tag = i.tag AND p.repository = i.repository
  AND p.registry = i.registry AND p.sweep_id = i.sweep_id
LEFT JOIN {_chain_severities} f ON f.ck = {chain:c.ck,p.profile} AND {same:f}
LEFT JOIN {_waived_secrets} w ON w.digest = i.digest AND w.tag = i.tag AND w.repository = i.repository
  AND w.registry = i.registry AND w.sweep_id = i.sweep_id
LEFT JOIN labels h ON h.digest = i.digest
LEFT JOIN (SELECT digest, count(*) AS misconfigurations FROM config_checks GROUP BY digest) k ON k.digest = i.digest

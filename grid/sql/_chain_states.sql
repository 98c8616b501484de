-- Each chain of the images of a sweep: what is counted in it, whether its distribution's packages could be matched, and
-- `doubts`: why finding nothing does not mean that nothing is wrong.
WITH {shared:image_chains,_squashes,_tops,_chains,_chain_visible,_chain_counts}
told AS (
  SELECT i.sweep_id, c.ck, c.distro_id, c.distro_version, c.distro_name, c.os_namespace, c.base_layers,
         c.base_evidence, c.base_digest, n.* EXCLUDE (ck),
         m.match_id, s.support, s.eol, s.extended_eol,
         list_filter(n.strange, lambda b: b.n > 0) AS foreigners,
         list_filter(n.blind, lambda b: b.n > 0 AND list_contains(m.unlisted, b.kind)) AS unlisted,
         coalesce(c.distro_name, concat_ws(' ', c.distro_id, c.distro_version)) AS distro,
         CASE WHEN m.match_id IS NOT NULL AND c.distro_id IS NOT NULL
              THEN coalesce(list_contains(m.namespaces, c.os_namespace), false) END AS os_matched
  FROM {_tops} i
  JOIN {_chains} c USING (ck)
  LEFT JOIN {_chain_counts} n USING (ck)
  LEFT JOIN matches m USING (sweep_id)
  LEFT JOIN distro_support s ON s.match_id = m.match_id AND s.distro_id = c.distro_id
    AND s.distro_version IS NOT DISTINCT FROM c.distro_version AND s.distro_name IS NOT DISTINCT FROM c.distro_name
), summed AS (
  -- an SBOM and a record of its own may both tell of a package, which then counts once among all packages
  SELECT *, least(coalesce(list_sum([b.n for b in unlisted]), 0), coalesce(packages, 0) - coalesce(system, 0)) AS unwatched,
         least(coalesce(list_sum([b.n for b in foreigners]), 0), coalesce(system, 0)) AS strangers
  FROM told
)
SELECT * EXCLUDE (blind, strange, unlisted, unwatched, foreigners, strangers, elsewhere),
  CASE WHEN packages > 0
       THEN 1 - (CASE WHEN system > 0 AND (distro_id IS NULL OR os_matched IS false) THEN system ELSE strangers END + unwatched + coalesce(elsewhere, 0)) / packages
       ELSE 1 END AS judged,
  list_filter([
    CASE WHEN coalesce(packages, 0) = 0 THEN
      {'code': 'NoPackages', 'message': 'no package record was found, so there was nothing to match'} END,
    CASE WHEN system > 0 AND distro_id IS NULL THEN
      {'code': 'DistributionUnknown',
       'message': 'nothing names the distribution of ' || system || ' of its packages: '
                  || CASE system WHEN 1 THEN 'it was' ELSE 'they were' END || ' not matched'} END,
    CASE WHEN system > 0 AND os_matched IS false THEN
      {'code': 'DistributionUnmatched',
       'message': 'the database has no advisories for ' || coalesce(os_namespace, distro) || ': ' || system
                  || CASE system WHEN 1 THEN ' package was' ELSE ' packages were' END || ' not matched'} END,
    CASE WHEN unwatched > 0 THEN
      {'code': 'PackagesUnmatched',
       'message': 'the database has no advisories for ' || unwatched || ' of its packages ('
                  || array_to_string(list_sort(list_distinct([split_part(b.kind, ':', -1) for b in unlisted]))[:5], ', ')
                  || CASE WHEN len(unlisted) > 5 THEN ', …' ELSE '' END || '): they were not matched'} END,
    CASE WHEN strangers > 0 THEN
      {'code': 'PackagesForeign',
       'message': strangers || CASE strangers WHEN 1 THEN ' of its packages is' ELSE ' of its packages are' END
                  || ' another publisher''s (' || array_to_string(list_sort([b.name for b in foreigners])[:5], ', ')
                  || CASE WHEN len(foreigners) > 5 THEN ', …' ELSE '' END
                  || '): advisories of the distribution are not about them, and others are not known'} END,
    CASE WHEN elsewhere > 0 THEN
      {'code': 'PackagesElsewhere',
       'message': elsewhere || ' of its packages' || CASE elsewhere WHEN 1 THEN ' is' ELSE ' are' END || ' known from an SBOM, a'
                  || ' program or the database of another root only, which may be another distribution''s: '
                  || CASE elsewhere WHEN 1 THEN 'it was' ELSE 'they were' END || ' not matched'} END,
    CASE WHEN support = 'ended' THEN
      {'code': 'DistributionEnded',
       'message': distro || ' gets no security updates any more' || coalesce(', since ' || coalesce(extended_eol, eol), '')
                  || ': newer problems may have no advisory'} END
  ], lambda d: d IS NOT NULL) AS doubts
FROM summed

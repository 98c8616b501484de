-- What to upgrade in each image, a row per source package (or package) and installed version: to which version, by which
-- command, and what that mends. Problems that are suppressed do not count.
-- like: images, packages
-- package: the source package for OS packages, else the package
-- packages: the installed packages that have its problems: the command names them
-- version: installed
-- upgrade_version: of the fixed versions in the same channel the one with the fewest known problems, and of these the smallest;
--   null if none clears anything
-- clears: distinct ids that it clears
-- remaining: distinct ids that it does not
-- critical: of those cleared
-- high: of those cleared
-- risk: the highest of its problems
-- command: installs the upgrade, or says where to write it; null where there is none, or a name cannot be typed safely
-- not_fixable: why the image cannot be mended this way; null if it can
-- impact: all this in a sentence
-- namespace: whose advisories said so
-- from_base: whether the base image brought it; null where that is unknown
-- introduced_layer: a layer that brought it
SELECT {sweep} i.registry, i.repository, i.tag, i.digest, a.ecosystem, a.name AS package, a.packages, a.version,
       a.upgrade_version, a.clears, a.remaining, a.critical, a.high, a.risk, a.command, a.not_fixable, a.impact,
       a.namespace, a.from_base, a.introduced_layer
FROM {_images} i
LEFT JOIN {_profiles} p ON p.digest = i.digest AND p.tag = i.tag AND p.repository = i.repository
  AND p.registry = i.registry AND p.sweep_id = i.sweep_id
JOIN {_chain_advice} a ON a.ck = {chain:i.ck,p.profile} AND {same:a}

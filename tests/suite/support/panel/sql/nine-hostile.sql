SET @first = 5000;
INSERT INTO mail (mail_name, perm_id, postbox, dom_id)
  SELECT name, @first := @first + 1, 'true', 2 FROM hostile ORDER BY number;
INSERT INTO Permissions (id, permission, value)
  SELECT perm_id, 'cp_access', IF(perm_id % 2 = 1, 'true', 'false') FROM mail WHERE perm_id > 5000;

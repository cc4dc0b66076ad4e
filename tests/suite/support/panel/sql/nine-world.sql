-- name, Permissions row, domain. What each stands for is in accounts.rs.
INSERT INTO Permissions (id, permission, value) VALUES
  (101, 'cp_access', 'true'), (101, 'multiple-sessions', 'false'),
  (102, 'cp_access', 'false'), (102, 'multiple-sessions', 'true'),
  (105, 'multiple-sessions', 'true'),
  (106, 'cp_access', NULL),
  (107, 'cp_access', 'TRUE'),
  (108, 'cp_access', 'true'),
  (109, 'cp_access', 'true'),
  (110, 'cp_access', 'true'),
  (111, 'cp_access', 'true'),
  (112, 'cp_access', 'false'),
  (113, 'cp_access', 'true'),
  (114, 'cp_access', 'true'),
  (115, 'cp_access', 'false'),
  (116, 'cp_access', 'true'),
  (117, 'cp_access', 'true'),
  (118, 'cp_access', 'false');
INSERT INTO mail (id, mail_name, perm_id, postbox, account_id, dom_id) VALUES
  (1, 'owner', 101, 'true', 11, 1),
  (2, 'info', 102, 'true', 12, 1),
  (3, 'norow', 0, 'true', 13, 1),
  (4, 'dangling', 777, 'true', 14, 1),
  (5, 'otherrow', 105, 'true', 15, 1),
  (6, 'null', 106, 'true', 16, 1),
  (7, 'shouting', 107, 'true', 17, 1),
  (8, 'nobox', 108, 'false', 0, 1),
  (9, 'Sales', 109, 'true', 19, 1),
  (10, 'o''brien', 110, 'true', 20, 1),
  (11, '100%', 111, 'true', 21, 2),
  (12, 'a_b', 112, 'true', 22, 2),
  (13, 'axb', 113, 'true', 23, 2),
  (14, 'info', 114, 'true', 24, 2),
  (15, 'user+tag', 115, 'true', 25, 2),
  (16, 'taro', 116, 'true', 26, 1),
  (17, 'taro', 117, 'true', 27, 3),
  (18, 'hanako', 118, 'true', 28, 3);
INSERT INTO accounts (id, type, password) SELECT account_id, 'plain', CONCAT('canary-', id) FROM mail WHERE account_id <> 0;
INSERT INTO mail_aliases (mn_id, alias) VALUES (1, 'boss');
